"""
Consumers' own text among the questions of a round.

A passage of a prompt is asked about like any held-out text: so many tokens are shown, the next
ones are hidden, and to a Server the two kinds of question look alike. Whoever answers well only
where he thinks that he is tested cannot know where that is.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from validator_service.domain.prompts import Questions, Shape

SHARE = 4
"""One of so many of a Server's own questions is consumers', where there are enough of them."""


def cut_passage(prompt: Sequence[int], shape: Shape, draw: float) -> list[int] | None:
    """Return as much of a prompt as a question needs, from a place by a draw from [0, 1)."""
    length = shape.context_tokens + shape.hidden_tokens
    places = len(prompt) - length + 1
    if places < 1:
        return None
    start = int(draw * places)
    return list(prompt[start : start + length])


def count_places(shape: Shape) -> int:
    """Return how many of a Server's own questions may be consumers'."""
    return shape.prompts // SHARE


def find_places(questions: Questions, shape: Shape) -> NDArray[np.int64]:
    """Return the rows that may be consumers': neither canaries nor altered ones."""
    own = np.setdiff1d(np.flatnonzero(~questions.altered), questions.canary_rows)
    return own[: count_places(shape)]


def put_passages(
    questions: Questions, passages: Sequence[Sequence[int]], shape: Shape
) -> Questions:
    """Return the questions with passages in the place of some of the Server's own."""
    rows = find_places(questions, shape)[: len(passages)]
    if not len(rows):
        return questions
    tokens = np.array(passages[: len(rows)], dtype=np.int64)
    context, hidden = questions.context.copy(), questions.hidden.copy()
    context[rows] = tokens[:, : shape.context_tokens]
    hidden[rows] = tokens[:, shape.context_tokens :]
    return replace(questions, context=context, hidden=hidden)


def follow_from(drawn: Questions, asked: Questions, shape: Shape) -> bool:
    """Tell whether what was asked is what was drawn, but for what may be consumers' text."""
    if not np.array_equal(drawn.canary_rows, asked.canary_rows):
        return False
    if not np.array_equal(drawn.altered, asked.altered):
        return False
    if drawn.context.shape != asked.context.shape or drawn.hidden.shape != asked.hidden.shape:
        return False
    differing = (drawn.context != asked.context).any(axis=1)
    differing |= (drawn.hidden != asked.hidden).any(axis=1)
    return bool(np.isin(np.flatnonzero(differing), find_places(drawn, shape)).all())
