"""Answers are hostile input, and the loss is a proper score."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tests.validator_service.domain.roots import make_fingerprints

from validator_service.domain.answers import (
    MAXIMUM_LOSS,
    Answer,
    MalformedAnswer,
    check_answer,
    first_token_distribution,
    losses,
)
from validator_service.domain.outcomes import make_fingerprint

VOCABULARY = 16


def single_tokens(probabilities: list[float], floor: float) -> Answer:
    """One prompt, phrases of one token: token k has the k-th probability."""
    return check_answer(
        np.arange(len(probabilities), dtype=np.int32)[None, :, None],
        np.array([probabilities], dtype=np.float32),
        np.array([floor], dtype=np.float32),
        prompts=1,
        top_k=len(probabilities),
        vocabulary_size=VOCABULARY,
    )


def phrases(ids: np.ndarray, probabilities: np.ndarray, floor: np.ndarray) -> Answer:
    """An answer whose phrases may be longer."""
    shape = {"prompts": len(ids), "top_k": ids.shape[1], "vocabulary_size": VOCABULARY}
    return check_answer(ids, probabilities, floor, **shape)


def loss_of(answer: Answer, *truth: int) -> float:
    return float(losses(answer, np.array([truth], dtype=np.int64))[0])


def test_the_loss_is_minus_the_logarithm_of_what_was_given_to_the_truth() -> None:
    answer = single_tokens([0.5, 0.25, 0.125], floor=0.125 / 13)

    assert -math.log(0.25) == pytest.approx(loss_of(answer, 1, 9, 9))
    assert -math.log(0.125 / 13) == pytest.approx(loss_of(answer, 7, 0, 0), rel=1e-5)


def test_what_is_missing_from_one_is_made_up_by_normalising() -> None:
    assert -math.log(0.5) == pytest.approx(loss_of(single_tokens([0.2, 0.2], floor=0.0), 0, 0))


def test_phrases_of_several_tokens_count_when_they_spell_a_prefix() -> None:
    ids = np.array([[[3, -1, -1], [3, 4, -1], [3, 5, -1], [3, 4, 6]]])
    answer = phrases(ids, np.array([[0.1, 0.2, 0.4, 0.3]]), np.zeros(1))

    assert -math.log(0.6) == pytest.approx(loss_of(answer, 3, 4, 6))
    assert -math.log(0.3) == pytest.approx(loss_of(answer, 3, 4, 7))
    assert loss_of(answer, 4, 4, 6) == MAXIMUM_LOSS


def test_a_phrase_longer_than_the_truth_spells_none_of_it() -> None:
    ids = np.array([[[3, 4, 6], [3, -1, -1]]])
    answer = phrases(ids, np.array([[0.9, 0.1]]), np.zeros(1))

    assert -math.log(0.1) == pytest.approx(loss_of(answer, 3, 4))


def test_long_phrases_cannot_hide_a_floor_that_is_sure_of_everything() -> None:
    ids = np.zeros((1, VOCABULARY, 2), dtype=np.int64)
    ids[0, :, 1] = np.arange(VOCABULARY)
    probabilities = np.full((1, VOCABULARY), 1e-6)
    answer = phrases(ids, probabilities, np.ones(1))

    assert loss_of(answer, 5, 5) == pytest.approx(math.log(VOCABULARY), rel=1e-4)


@given(
    arrays.arrays(np.float64, VOCABULARY, elements=st.floats(0.001, 1)),
    arrays.arrays(np.float64, VOCABULARY, elements=st.floats(0.001, 1)),
    st.integers(1, VOCABULARY),
)
def test_nobody_does_better_on_average_than_by_telling_what_he_believes(
    belief: np.ndarray, claim: np.ndarray, told: int
) -> None:
    belief, claim = belief / belief.sum(), claim / claim.sum()
    honest = single_tokens(list(belief), floor=0.0)
    rest = (1 - claim[:told].sum()) / max(VOCABULARY - told, 1)
    other = single_tokens(list(claim[:told]), floor=max(rest, 0.0))

    def expected(answer: Answer) -> float:
        return sum(float(p) * loss_of(answer, token) for token, p in enumerate(belief))

    assert expected(honest) <= expected(other) + 1e-5


@given(
    arrays.arrays(np.int64, (1, 5, 2), elements=st.integers(0, VOCABULARY - 1)),
    arrays.arrays(np.bool_, (1, 5)),
    arrays.arrays(np.float64, (1, 5), elements=st.floats(0, 0.2)),
    st.floats(0, 1),
)
def test_no_answer_is_sure_of_more_than_everything(
    ids: np.ndarray, single: np.ndarray, probabilities: np.ndarray, floor: float
) -> None:
    ids = np.where(single[:, :, None] & (np.arange(2) == 1), -1, ids)
    # A floor of nothing and no listed mass is refused at the door.
    answer = phrases(ids, probabilities * 0.99 + 1e-6, np.array([floor]))

    # A phrase of one token stands for all its continuations: counted once, by its first token.
    coarse = [math.exp(-loss_of(answer, first, VOCABULARY + 1)) for first in range(VOCABULARY)]

    assert sum(coarse) <= 1 + 1e-6


GOOD = {
    "ids": np.array([[[1], [2]]], dtype=np.int32),
    "probabilities": np.array([[0.6, 0.3]], dtype=np.float32),
    "floor": np.array([0.001], dtype=np.float32),
}


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("ids", np.array([[[1], [VOCABULARY]]], dtype=np.int32)),
        ("ids", np.array([[[1], [-2]]], dtype=np.int32)),
        ("ids", np.array([[[1], [-1]]], dtype=np.int32)),
        ("ids", np.array([[[1, -1, 2], [2, -1, -1]]], dtype=np.int32)),
        ("ids", np.array([[[1.0], [2.0]]], dtype=np.float32)),
        ("ids", np.array([[1, 2]], dtype=np.int32)),
        ("ids", np.zeros((1, 2, 0), dtype=np.int32)),
        ("ids", np.zeros((1, 2, 17), dtype=np.int32)),
        ("ids", np.zeros((2, 2, 1), dtype=np.int32)),
        ("probabilities", np.array([[0.6, np.nan]], dtype=np.float32)),
        ("probabilities", np.array([[0.6, np.inf]], dtype=np.float32)),
        ("probabilities", np.array([[0.6, -0.1]], dtype=np.float32)),
        ("probabilities", np.array([[0.6, 0.6]], dtype=np.float32)),
        ("probabilities", np.array([[1, 0]], dtype=np.int32)),
        ("probabilities", np.zeros((1, 0), dtype=np.float32)),
        ("floor", np.array([np.nan], dtype=np.float32)),
        ("floor", np.array([-0.1], dtype=np.float32)),
        ("floor", np.array([2.0], dtype=np.float32)),
        ("floor", np.array(0.1, dtype=np.float32)),
    ],
)
def test_whatever_breaks_the_wire_is_malformed(part: str, value: np.ndarray) -> None:
    check_answer(**GOOD, prompts=1, top_k=2, vocabulary_size=VOCABULARY)

    with pytest.raises(MalformedAnswer):
        check_answer(**{**GOOD, part: value}, prompts=1, top_k=2, vocabulary_size=VOCABULARY)


def test_saying_nothing_at_all_is_malformed() -> None:
    with pytest.raises(MalformedAnswer, match="not all be 0"):
        single_tokens([0.0, 0.0], floor=0.0)


def test_the_next_token_alone_adds_up_phrases_with_one_beginning() -> None:
    ids = np.array([[[1, -1], [1, 2], [3, 0]]])
    answer = phrases(ids, np.array([[0.2, 0.3, 0.1]]), np.array([0.001]))

    # The floor is for every token but 1, which a phrase of one token speaks for.
    expected = np.full(VOCABULARY, 0.001)
    expected[1] = 0.5
    expected[3] += 0.1

    told = first_token_distribution(answer, np.array([0]), VOCABULARY)[0]

    np.testing.assert_allclose(told, expected / expected.sum(), rtol=1e-6)


def test_a_fingerprint_is_the_root_of_what_is_said_of_the_canaries() -> None:
    ids = np.array([[[1, -1], [1, 2], [3, 0]], [[2, 2], [4, -1], [4, -1]]])
    answer = phrases(ids, np.array([[0.2, 0.3, 0.1], [0.3, 0.2, 0.1]]), np.array([0.001, 0.002]))
    rows = np.array([1, 0])

    told = first_token_distribution(answer, rows, VOCABULARY)
    fingerprint = make_fingerprint(answer, rows, VOCABULARY)

    np.testing.assert_allclose(told.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(fingerprint, make_fingerprints(told[None])[0], rtol=1e-6)
    assert np.linalg.norm(fingerprint) == pytest.approx(1, rel=1e-6)
