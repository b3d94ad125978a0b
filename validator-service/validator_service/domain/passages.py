"""
Consumers' own text among the questions of a round.

A passage of a prompt is asked about like any held-out text: so many tokens are shown, the next
ones are hidden, and to a Server the two kinds of question look alike. Whoever answers well only
where he thinks that he is tested cannot know where that is.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from validator_service.domain.prompts import Questions, Shape


def cut_passage(prompt: Sequence[int], shape: Shape, draw: float) -> list[int] | None:
    """Return as much of a prompt as a question needs, from a place by a draw from [0, 1)."""
    length = shape.context_tokens + shape.hidden_tokens
    places = len(prompt) - length + 1
    if places < 1:
        return None
    start = int(draw * places)
    return list(prompt[start : start + length])


def count_places(shape: Shape) -> int:
    """Return how many of a Server's own questions may be consumers': at most half."""
    return shape.prompts // 2


def put_passages(questions: Questions, passages: Sequence[Sequence[int]]) -> Questions:
    """Return the questions with passages in the place of some of the Server's own."""
    if not passages:
        return questions
    own = np.setdiff1d(np.arange(len(questions.context)), questions.canary_rows)
    rows = own[: len(passages)]
    tokens = np.array(passages[: len(rows)], dtype=np.int64)
    context, hidden = questions.context.copy(), questions.hidden.copy()
    context[rows] = tokens[:, : context.shape[1]]
    hidden[rows] = tokens[:, context.shape[1] :]
    return replace(questions, context=context, hidden=hidden)
