"""Weights: capped, whole, without zeros."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_service.domain.weights import normalise_weights
from validator_service.domain import weights as rules
from validator_service.domain.weights import U32_MAXIMUM, capped_shares

OWN = 4095
HALF = U32_MAXIMUM // 2


def weights_from_scores(scores: dict[int, float], limit: int, own_uid: int) -> dict[int, int]:
    uids = np.array(list(scores), dtype=np.int64)
    values = np.array(list(scores.values()), dtype=np.float64)
    chosen, weights = rules.weights_from_scores(uids, values, limit, own_uid)
    return dict(zip(chosen.tolist(), weights.tolist(), strict=True))


score_lists = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=40)


@given(score_lists, st.floats(0.01, 1.0))
def test_shares_are_whole_and_nobody_passes_the_cap(scores: list[float], cap: float) -> None:
    shares = capped_shares(np.array(scores), cap)

    assert shares.sum() == pytest.approx(min(1.0, cap * len(scores)))
    assert shares.max() <= cap + 1e-12


@given(score_lists, st.floats(0.05, 1.0))
def test_a_better_score_never_has_the_smaller_share(scores: list[float], cap: float) -> None:
    shares = capped_shares(np.array(scores), cap)
    by_score = shares[np.argsort(scores, kind="stable")]

    assert (np.diff(by_score) >= -1e-12).all()


@given(score_lists, st.integers(2**20, U32_MAXIMUM))
def test_weights_are_whole_and_the_chain_finds_none_above_its_limit(
    scores: list[float], limit: int
) -> None:
    weights = weights_from_scores(dict(enumerate(scores)), limit, OWN)

    assert sum(weights.values()) == U32_MAXIMUM
    assert all(value > 0 for value in weights.values())
    for uid, weight in zip(weights, normalise_weights(list(weights.values())), strict=True):
        assert weight <= limit or uid == OWN


def test_the_researched_example_comes_out() -> None:
    scores = np.array([0.544, 0.197, 0.125, 0.067, 0.038, 0.019, 0.009, 0.001])
    expected = [0.5, 0.216, 0.137, 0.073, 0.041, 0.021, 0.010, 0.001]

    np.testing.assert_allclose(capped_shares(scores, 0.5), expected, atol=1e-3)


def test_zeros_and_nearly_zeros_are_not_set() -> None:
    assert set(weights_from_scores({1: 10.0, 2: 0.0, 3: 1e-5}, U32_MAXIMUM, OWN)) == {1}
    assert weights_from_scores({1: 0.0, 2: 0.0}, HALF, OWN) == {}
    assert weights_from_scores({}, HALF, OWN) == {}


def test_what_too_few_may_not_have_stays_with_the_validator() -> None:
    assert weights_from_scores({1: 10.0}, HALF, OWN) == {1: HALF, OWN: U32_MAXIMUM - HALF}
    assert weights_from_scores({1: 10.0, 2: 1.0}, HALF, OWN) == {1: HALF, 2: HALF, OWN: 1}


def test_nobody_weighs_himself_by_his_score() -> None:
    assert weights_from_scores({1: 1.0, OWN: 9.0}, U32_MAXIMUM, OWN) == {1: U32_MAXIMUM}
