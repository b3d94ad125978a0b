"""Shapley values: they add up, they are fair, and the sampled ones come near the exact ones."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from validator_service.domain.prompts import RoundSeed
from validator_service.domain.shapley import exact_values, sampled_values, shapley_values

GUESS = float(np.log(2048))
SEED = RoundSeed("ab" * 32, "secret", 1)
few_losses = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 5), st.integers(1, 3)),
    elements=st.floats(0.01, 15),
)


def worth(losses: np.ndarray) -> float:
    if not len(losses):
        return 0.0
    return GUESS - float(-np.log(np.exp(-losses).mean(axis=0)).mean())


@settings(deadline=None)
@given(few_losses)
def test_they_are_the_mean_of_what_each_adds_over_all_orders(losses: np.ndarray) -> None:
    values = np.zeros(len(losses))
    orders = list(permutations(range(len(losses))))
    for order in orders:
        for place, server in enumerate(order):
            before = losses[list(order[:place])]
            after = losses[list(order[: place + 1])]
            values[server] += (worth(after) - worth(before)) / len(orders)

    np.testing.assert_allclose(exact_values(losses, GUESS), values, atol=1e-9)


@settings(deadline=None)
@given(few_losses)
def test_they_add_up_to_the_worth_of_all(losses: np.ndarray) -> None:
    assert shapley_values(losses, GUESS, SEED).sum() == pytest.approx(worth(losses), abs=1e-9)


@pytest.mark.parametrize("copies", [2, 5])
def test_copies_split_what_they_add(copies: int) -> None:
    losses = np.array([[3.0, 2.0, 4.0]] * copies + [[2.0, 4.0, 3.0]])
    values = shapley_values(losses, GUESS, SEED)

    np.testing.assert_allclose(values[:copies], values[0])


def test_whoever_only_guesses_adds_nothing_or_less() -> None:
    losses = np.array([[3.0, 2.0], [2.0, 3.0], [GUESS, GUESS]])

    assert shapley_values(losses, GUESS, SEED)[2] <= 0


def test_sampling_comes_near_the_exact_values() -> None:
    losses = np.random.default_rng(0).uniform(1.5, 6, (12, 4))
    exact, sampled = exact_values(losses, GUESS), sampled_values(losses, GUESS, SEED)

    assert sampled.sum() == pytest.approx(worth(losses))
    assert np.abs(exact - sampled).max() < 0.1 * exact.max()
    assert np.argsort(exact)[-3:].tolist() == np.argsort(sampled)[-3:].tolist()


def test_a_seed_gives_the_same_sample_everywhere() -> None:
    losses = np.random.default_rng(0).uniform(1.5, 6, (20, 4))

    assert np.array_equal(shapley_values(losses, GUESS, SEED), shapley_values(losses, GUESS, SEED))
