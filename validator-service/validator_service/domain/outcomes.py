"""From answers to what a round is judged by: each measured alone, then laid side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from validator_service.domain.answers import Answer, Tokens, losses, next_tokens
from validator_service.domain.averages import Floats
from validator_service.domain.passages import excess_losses
from validator_service.domain.prompts import Questions, RoundSeed
from validator_service.domain.scores import Round


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one valid answer was worth."""

    loss: float
    """Nats: the mean over all prompts that are the corpus's."""
    canary_losses: Floats
    """Nats per canary."""
    fingerprint: NDArray[np.float32]
    """[canaries · vocabulary]."""
    by_heart: float = 0.0
    """How many more of the text's own questions than of the altered ones it was sure of, as shares
    of each."""
    lent: Mapping[bytes, float] = field(default_factory=dict)
    """Nats by consumers' passage, each as its part of a mean over all prompts."""


SURE_LOSS = 0.1
"""Nats: the truth was given more than 90 %."""
NO_OUTCOME = Outcome(0.0, np.zeros(0), np.zeros(0, dtype=np.float32))
"""Fills the rows of those that did not answer, where nobody did."""


def measure_answer(answer: Answer, questions: Questions, vocabulary_size: int) -> Outcome:
    """Return how wrong an answer was, and what it said of the canaries."""
    measured = losses(answer, questions.hidden)
    canary_rows, altered, lent = questions.canary_rows, questions.altered, questions.lent
    return Outcome(
        loss=float(measured[~lent].mean()),
        canary_losses=measured[canary_rows],
        fingerprint=make_fingerprint(answer, canary_rows, vocabulary_size),
        by_heart=share_sure(measured[~altered & ~lent]) - share_sure(measured[altered]),
        lent={
            questions.passage(row): float(measured[row]) / len(measured)
            for row in np.flatnonzero(lent)
        },
    )


def make_fingerprint(
    answer: Answer, canary_rows: Tokens, vocabulary_size: int
) -> NDArray[np.float32]:
    """Return √(p / canaries) for each canary's next token: [canaries · vocabulary], of length 1."""
    canaries = max(len(canary_rows), 1)
    roots = np.empty((len(canary_rows), vocabulary_size), dtype=np.float32)
    said = next_tokens(answer, canary_rows, vocabulary_size)
    for place, told in zip(roots, said, strict=True):
        place[:] = np.sqrt(told.others / canaries)
        place[told.tokens] = np.sqrt(told.probabilities / canaries)
    return roots.ravel()


def share_sure(measured: Floats) -> float:
    """Return the share of questions whose true answer was given nearly all of the probability."""
    return float((measured < SURE_LOSS).mean()) if len(measured) else 0.0


def gather_round(
    outcomes: Sequence[Outcome | None],
    seconds: Sequence[float],
    seed: RoundSeed,
    vocabulary_size: int,
) -> Round:
    """Lay the outcomes of all that were asked side by side; None stands for no valid answer."""
    answered = np.array([outcome is not None for outcome in outcomes], dtype=bool)
    filling = next((outcome for outcome in outcomes if outcome is not None), NO_OUTCOME)
    rows = [filling if outcome is None else outcome for outcome in outcomes]
    return Round(
        answered=answered,
        losses=np.array([row.loss for row in rows])
        + excess_losses([{} if outcome is None else outcome.lent for outcome in outcomes]),
        canary_losses=np.array([row.canary_losses for row in rows]),
        fingerprints=np.array([row.fingerprint for row in rows]),
        seconds=np.array(seconds, dtype=np.float64),
        by_heart=np.array([row.by_heart for row in rows]),
        guess=float(np.log(vocabulary_size)),
        seed=seed,
    )
