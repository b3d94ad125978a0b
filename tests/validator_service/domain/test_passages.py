"""Consumers' text among the questions."""

from dataclasses import replace

import numpy as np

from validator_service.domain.answers import check_answer
from validator_service.domain.outcomes import gather_round, measure_answer
from validator_service.domain.passages import (
    TOGETHER,
    count_places,
    cut_passage,
    draw_groups,
    excess_losses,
    follow_from,
    put_passages,
)
from validator_service.domain.prompts import RoundSeed, Shape, draw_questions, join_documents

SHAPE = Shape(context_tokens=4, hidden_tokens=2, prompts=8, canaries=3)
TEXT = join_documents([np.arange(1000, 1200)], SHAPE)
SEED = RoundSeed("hash", "secret", 1)
QUESTIONS = draw_questions(TEXT, SEED, "hotkey", SHAPE)


def test_a_passage_lies_anywhere_in_a_prompt_that_is_long_enough() -> None:
    assert cut_passage(range(5), SHAPE, 0.5) is None
    assert cut_passage(range(6), SHAPE, 0.999) == [0, 1, 2, 3, 4, 5]
    assert cut_passage(range(10), SHAPE, 0.0) == [0, 1, 2, 3, 4, 5]
    assert cut_passage(range(10), SHAPE, 0.999) == [4, 5, 6, 7, 8, 9]


def test_passages_take_the_place_of_own_questions_and_never_of_canaries() -> None:
    passages = [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]

    mixed = put_passages(QUESTIONS, passages, SHAPE)

    shown = np.concatenate([mixed.context, mixed.hidden], axis=1).tolist()
    assert [row for row in shown if row[0] < 1000] == passages
    rows = QUESTIONS.canary_rows
    np.testing.assert_array_equal(mixed.context[rows], QUESTIONS.context[rows])
    asked = QUESTIONS.altered
    np.testing.assert_array_equal(mixed.context[asked], QUESTIONS.context[asked])
    assert (QUESTIONS.context >= 1000).all()
    assert put_passages(QUESTIONS, [], SHAPE) is QUESTIONS
    assert count_places(SHAPE) == 2


def test_an_audit_allows_for_passages_and_for_nothing_else() -> None:
    passages = [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]
    mixed = put_passages(QUESTIONS, passages, SHAPE)
    easier = replace(mixed, hidden=mixed.hidden.copy())
    easier.hidden[QUESTIONS.canary_rows[0]] = 1

    assert follow_from(QUESTIONS, QUESTIONS, SHAPE)
    assert follow_from(QUESTIONS, mixed, SHAPE)
    assert not follow_from(QUESTIONS, replace(mixed, lent=QUESTIONS.lent), SHAPE)
    assert not follow_from(QUESTIONS, easier, SHAPE)
    assert not follow_from(QUESTIONS, replace(mixed, altered=~mixed.altered), SHAPE)


def test_a_passage_is_asked_of_several_whom_nobody_can_choose() -> None:
    groups = draw_groups(SEED, 23)

    assert np.bincount(groups).min() >= TOGETHER
    assert groups.tolist() != draw_groups(RoundSeed("hash", "secret", 2), 23).tolist()
    assert draw_groups(SEED, 3).tolist() == [0, 0, 0]
    assert draw_groups(SEED, 0).tolist() == []


def test_a_passage_counts_against_who_was_worse_and_for_nobody() -> None:
    sure, usual, worse = {b"a": 0.0, b"b": 1.0}, {b"a": 1.0, b"b": 1.0}, {b"a": 2.5, b"b": 1.0}

    assert excess_losses([sure, usual, usual, worse]).tolist() == [0, 0, 0, 1.5]
    # Nonsense that nobody foretells makes nobody look better or worse.
    assert excess_losses([{b"c": 7.0}] * 4).tolist() == [0, 0, 0, 0]
    # Two alone do not show which of them is wrong.
    assert excess_losses([sure, worse]).tolist() == [0, 0]
    assert excess_losses([{}, {}]).tolist() == [0, 0]


def measured_losses(truth: list[float]) -> list[float]:
    """Each Server gives the passages' next token so much, and knows nothing of the corpus's."""
    mixed = put_passages(QUESTIONS, [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]], SHAPE)
    rows, vocabulary = len(mixed.hidden), 2000
    outcomes = []
    for probability in truth:
        told = np.where(mixed.lent, probability, 1 / vocabulary).astype(np.float32)[:, None]
        answer = check_answer(
            mixed.hidden[:, :1, None],
            told,
            (1 - told[:, 0]) / (vocabulary - 1),
            prompts=rows,
            top_k=1,
            vocabulary_size=vocabulary,
        )
        outcomes.append(measure_answer(answer, mixed, vocabulary))
    seen = gather_round([*outcomes, None], [0.1] * (len(truth) + 1), SEED, vocabulary)
    return seen.losses[:-1].tolist()


def test_whoever_knows_the_consumers_text_by_heart_gains_nothing() -> None:
    alike = measured_losses([0.5, 0.5, 0.5, 0.5])

    np.testing.assert_allclose(alike, np.log(2000), rtol=1e-5)
    np.testing.assert_allclose(measured_losses([1.0, 0.5, 0.5, 0.5]), alike, rtol=1e-6)
    spoiled = measured_losses([0.005, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(spoiled[1:], alike[1:], rtol=1e-6)
    # Two of eleven questions were a hundred times less likely.
    np.testing.assert_allclose(spoiled[0] - alike[0], 2 / 11 * np.log(100), rtol=1e-4)
