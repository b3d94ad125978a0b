"""Weights: capped, whole, without zeros."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validator_service.domain.weights import U32_MAXIMUM, capped_shares, weights_from_scores

score_lists = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=40)


@given(score_lists, st.floats(0.01, 1.0))
def test_shares_are_whole_and_nobody_passes_the_cap(scores: list[float], cap: float) -> None:
    shares = capped_shares(np.array(scores), cap)

    assert pytest.approx(shares.sum()) == 1.0
    assert shares.max() <= max(cap, 1 / len(scores)) + 1e-12


@given(score_lists, st.floats(0.05, 1.0))
def test_a_better_score_never_has_the_smaller_share(scores: list[float], cap: float) -> None:
    shares = capped_shares(np.array(scores), cap)
    by_score = shares[np.argsort(scores, kind="stable")]

    assert (np.diff(by_score) >= -1e-12).all()


@given(score_lists, st.floats(0.05, 1.0))
def test_weights_fill_the_whole_and_hold_the_cap(scores: list[float], cap: float) -> None:
    weights = weights_from_scores(dict(enumerate(scores)), cap)

    assert all(0 < value <= U32_MAXIMUM for value in weights.values())
    assert U32_MAXIMUM - len(scores) <= sum(weights.values()) <= U32_MAXIMUM
    assert max(weights.values()) <= max(cap, 1 / len(weights)) * U32_MAXIMUM


def test_the_researched_example_comes_out() -> None:
    scores = np.array([0.544, 0.197, 0.125, 0.067, 0.038, 0.019, 0.009, 0.001])
    expected = [0.5, 0.216, 0.137, 0.073, 0.041, 0.021, 0.010, 0.001]

    np.testing.assert_allclose(capped_shares(scores, 0.5), expected, atol=1e-3)


def test_zeros_and_nearly_zeros_are_not_set() -> None:
    assert {1} == set(weights_from_scores({1: 10.0, 2: 0.0, 3: 1e-5}, 1.0))
    assert weights_from_scores({1: 0.0, 2: 0.0}, 0.5) == {}
    assert weights_from_scores({}, 0.5) == {}


def test_too_few_to_fill_the_whole_are_paid_alike() -> None:
    weights = weights_from_scores({1: 10.0, 2: 1.0}, 0.3)

    assert weights[1] == weights[2]
