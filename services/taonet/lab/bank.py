"""
The answers of many models to many questions: what a simulated network is asked and answers.

The synthetic model of answers. The true distribution of a question's next token puts 0.8 on 16
candidates, by a softmax of normal numbers of deviation 2, and the rest evenly on the vocabulary. A
model of skill a in (0, 1) believes in softmax(a·ln p + 0.5·ε) over the candidates, ε its own normal
errors, and leaves the rest as it is. So skill 1 is wrong only by its errors, and skill 0 a guess
among the candidates. These answers pass through `check_answer` and `measure_answer` like any other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from validator_service.domain.answers import Answer, check_answer, losses

VOCABULARY = 2048
CANDIDATES = 16
LISTED_MASS = 0.8
TRUTH_SPREAD = 2.0
ERROR_SPREAD = 0.5
QUESTIONS = 128

Floats = NDArray[np.floating]
Progress = Callable[[int], None]


class UnreadableAnswers(Exception):
    """A file of recorded answers that can't be used; the message says why."""


@dataclass(frozen=True, eq=False)
class Bank:
    """What each model says to each question."""

    losses: NDArray[np.float32]
    """[models, questions], nats."""
    fingerprints: NDArray[np.float32]
    """[questions, models, n]: √p of the next token, over places where the models differ."""

    @property
    def models(self) -> int:
        return len(self.losses)

    @property
    def questions(self) -> int:
        return len(self.fingerprints)


@dataclass(frozen=True, eq=False)
class Beliefs:
    """What models say: probabilities of the candidates [models, questions, candidates]."""

    listed: Floats
    truth: NDArray[np.int64]
    """[questions]: the true token; those from CANDIDATES on are in no list."""

    def blur(self, models: NDArray[np.int64], nats: float, random: np.random.Generator) -> Floats:
        """Return the beliefs of some models with errors of so many nats on top."""
        told = self.listed[models] * np.exp(random.normal(0, nats, self.listed[models].shape))
        return np.asarray(told / told.sum(axis=2, keepdims=True) * LISTED_MASS)


def believe(skills: Floats, random: np.random.Generator, questions: int = QUESTIONS) -> Beliefs:
    """Draw questions, and what models of these skills say to them."""
    shape = (len(skills), questions, CANDIDATES)
    true_logits = random.normal(0, TRUTH_SPREAD, shape[1:])
    true_logits -= np.log(np.exp(true_logits).sum(axis=1, keepdims=True))
    logits = skills[:, None, None] * true_logits + random.normal(0, ERROR_SPREAD, shape)
    listed = np.exp(logits)
    listed *= LISTED_MASS / listed.sum(axis=2, keepdims=True)
    cumulated = np.exp(true_logits).cumsum(axis=1)
    truth = (random.random((questions, 1)) > cumulated).sum(axis=1).clip(0, CANDIDATES - 1)
    unlisted = random.random(questions) > LISTED_MASS
    return Beliefs(listed, np.where(unlisted, random.integers(CANDIDATES, VOCABULARY), truth))


def fill_bank(listed: Floats, truth: NDArray[np.int64], progress: Progress | None = None) -> Bank:
    """Have every model's answers checked and measured, as a Validator does."""
    measured = np.empty(listed.shape[:2], dtype=np.float32)
    for model, told in enumerate(listed):
        measured[model] = losses(as_answer(told), truth[:, None])
        if progress is not None and model % 64 == 63:
            progress(64)
    # What is not listed is even for all: as one place it leaves every Hellinger distance as it is.
    rest = 1 - listed.sum(axis=2, keepdims=True)
    roots = np.sqrt(np.concatenate([listed, rest], axis=2).clip(0, 1)).astype(np.float32)
    return Bank(measured, np.ascontiguousarray(roots.transpose(1, 0, 2)))


def as_answer(listed: Floats) -> Answer:
    """Return one model's beliefs [questions, candidates] as a checked answer on the wire."""
    questions = len(listed)
    ids = np.broadcast_to(np.arange(CANDIDATES, dtype=np.int32), (questions, CANDIDATES))
    floor = (1 - listed.sum(axis=1)) / (VOCABULARY - CANDIDATES)
    shape = {"prompts": questions, "top_k": CANDIDATES, "vocabulary_size": VOCABULARY}
    return check_answer(ids[:, :, None], listed.astype(np.float32), floor, **shape)


def load_bank(path: Path) -> Bank:
    """Read recorded answers: an .npz with `losses` [models, questions] and `fingerprints`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            bank = Bank(file["losses"].astype(np.float32), file["fingerprints"].astype(np.float32))
    except (OSError, ValueError, KeyError) as error:
        raise UnreadableAnswers(f"{path} holds no recorded answers: {error}") from None
    if bank.losses.ndim != 2 or bank.fingerprints.shape[:2] != bank.losses.shape[::-1]:
        raise UnreadableAnswers(f"{path}: losses are [models, questions], fingerprints the reverse")
    return bank
