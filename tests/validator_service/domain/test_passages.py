"""Consumers' text among the questions."""

from dataclasses import replace

import numpy as np

from validator_service.domain.passages import (
    count_places,
    cut_passage,
    follow_from,
    put_passages,
)
from validator_service.domain.prompts import RoundSeed, Shape, draw_questions, join_documents

SHAPE = Shape(context_tokens=4, hidden_tokens=2, prompts=8, canaries=3)
TEXT = join_documents([np.arange(1000, 1200)], SHAPE)
QUESTIONS = draw_questions(TEXT, RoundSeed("hash", "secret", 1), "hotkey", SHAPE)


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
    assert not follow_from(QUESTIONS, easier, SHAPE)
    assert not follow_from(QUESTIONS, replace(mixed, altered=~mixed.altered), SHAPE)
