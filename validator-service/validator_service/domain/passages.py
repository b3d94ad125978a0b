"""
Consumers' own text among the questions of a round.

A passage of a prompt is asked about like any held-out text: so many tokens are shown, the next
ones are hidden, and to a Server the two kinds of question look alike. Whoever answers well only
where he thinks that he is tested cannot know where that is.

Who wrote a passage is not known: it may be the friend of a Server that knows it by heart, or
nonsense that nobody can foretell, which makes all Servers look alike. So several Servers are asked
about each, and it counts only against whoever was worse than the others (docs/decisions/0026).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from validator_service.domain.averages import Floats
from validator_service.domain.prompts import Questions, RoundSeed, Shape, draw_order

SHARE = 4
"""One of so many of a Server's own questions is consumers', where there are enough of them."""
TOGETHER = 5
"""At least so many Servers are asked about the same passage, where there are so many."""
OTHERS_MIN = 2
"""Beside fewer other answers a passage says nothing."""


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


def draw_groups(seed: RoundSeed, servers: int) -> NDArray[np.int64]:
    """Return a group's number for each Server; whoever is of one is asked about the same passages.
    Nobody can choose beside whom."""
    groups = max(servers // TOGETHER, 1)
    numbers = np.empty(servers, dtype=np.int64)
    numbers[draw_order(seed, "passages", servers)] = np.arange(servers) % groups
    return numbers


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
    context, hidden, lent = (
        each.copy() for each in (questions.context, questions.hidden, questions.lent)
    )
    context[rows] = tokens[:, : shape.context_tokens]
    hidden[rows] = tokens[:, shape.context_tokens :]
    lent[rows] = True
    return replace(questions, context=context, hidden=hidden, lent=lent)


def follow_from(drawn: Questions, asked: Questions, shape: Shape) -> bool:
    """Tell whether what was asked is what was drawn, but for what is said to be consumers' text."""
    if not np.array_equal(drawn.canary_rows, asked.canary_rows):
        return False
    if not np.array_equal(drawn.altered, asked.altered):
        return False
    if drawn.context.shape != asked.context.shape or drawn.hidden.shape != asked.hidden.shape:
        return False
    differing = (drawn.context != asked.context).any(axis=1)
    differing |= (drawn.hidden != asked.hidden).any(axis=1)
    lent = np.flatnonzero(asked.lent)
    return not differing[~asked.lent].any() and bool(np.isin(lent, find_places(drawn, shape)).all())


def excess_losses(lent: Sequence[Mapping[bytes, float]]) -> Floats:
    """
    Return by how much each Server was worse than the others on consumers' text, nats; never < 0.

    Of each passage it is max(l − median of the others' l, 0): nothing is gained by knowing it.
    """
    told: dict[bytes, dict[int, float]] = defaultdict(dict)
    for server, losses in enumerate(lent):
        for passage, loss in losses.items():
            told[passage][server] = loss
    excess = np.zeros(len(lent))
    for losses_of in told.values():
        for server, loss in losses_of.items():
            others = [each for other, each in losses_of.items() if other != server]
            if len(others) >= OTHERS_MIN:
                excess[server] += max(loss - float(np.median(others)), 0.0)
    return excess
