"""What a Server may answer to TextCausalLMNext, and how wrong it was.

An answer is hostile input. It is checked here once, in full; all that follows may trust it. The
loss is a proper score: nobody does better on average than by telling what he believes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PADDING = -1
"""Fills a phrase up to the length of the longest."""
MAXIMUM_PHRASE_TOKENS = 16
"""A token of another vocabulary spells at most this many of ours."""
MASS_TOLERANCE = 1e-3
"""How far the probabilities of a row may pass 1: thousands of float32 are summed."""
MAXIMUM_LOSS = 20.0
"""Nats. What an answer costs that held the truth for impossible."""

Floats = NDArray[np.float64]
Tokens = NDArray[np.int64]


class MalformedAnswer(Exception):
    """An answer that breaks a rule of the wire; the message says which."""


@dataclass(frozen=True, eq=False)
class Answer:
    """A checked answer: for each prompt some phrases, their probabilities, one for all others."""

    ids: Tokens
    """[prompts, phrases, phrase length], padded with −1 on the right."""
    probabilities: Floats
    """[prompts, phrases], not negative, at most 1 in all."""
    floor: Floats
    """[prompts]: the probability of each token that no phrase spells."""


def check_answer(
    ids: NDArray[np.generic],
    probabilities: NDArray[np.generic],
    floor: NDArray[np.generic],
    *,
    prompts: int,
    top_k: int,
    vocabulary_size: int,
) -> Answer:
    """Return the answer as trusted arrays, or raise MalformedAnswer with the rule it breaks."""
    check_shapes(ids, probabilities, floor, prompts, top_k)
    answer = Answer(
        ids=ids.astype(np.int64),
        probabilities=probabilities.astype(np.float64),
        floor=floor.astype(np.float64),
    )
    check_numbers(answer)
    check_phrases(answer.ids, vocabulary_size)
    check_mass(answer, vocabulary_size)
    return answer


def check_shapes(
    ids: NDArray[np.generic],
    probabilities: NDArray[np.generic],
    floor: NDArray[np.generic],
    prompts: int,
    top_k: int,
) -> None:
    if ids.dtype.kind not in "iu" or probabilities.dtype.kind != "f" or floor.dtype.kind != "f":
        raise MalformedAnswer("ids must be integers, probabilities and floor floating point")
    if ids.ndim != 3 or probabilities.shape != ids.shape[:2] or floor.shape != ids.shape[:1]:
        raise MalformedAnswer("shapes must be ids [b, k, length], probabilities [b, k], floor [b]")
    if ids.shape[0] != prompts:
        raise MalformedAnswer(f"{prompts} prompts were asked, {ids.shape[0]} answered")
    if not 1 <= ids.shape[1] <= top_k:
        raise MalformedAnswer(f"between 1 and {top_k} phrases were asked, got {ids.shape[1]}")
    if not 1 <= ids.shape[2] <= MAXIMUM_PHRASE_TOKENS:
        raise MalformedAnswer(f"a phrase has 1 to {MAXIMUM_PHRASE_TOKENS} tokens")


def check_numbers(answer: Answer) -> None:
    for name, values in (("probabilities", answer.probabilities), ("floor", answer.floor)):
        if not np.isfinite(values).all():
            raise MalformedAnswer(f"{name} must be finite")
        if values.min() < 0 or values.max() > 1 + MASS_TOLERANCE:
            raise MalformedAnswer(f"{name} must lie between 0 and 1")


def check_phrases(ids: Tokens, vocabulary_size: int) -> None:
    if ids.max() >= vocabulary_size or ids.min() < PADDING:
        raise MalformedAnswer(f"token ids must lie below {vocabulary_size}")
    if (ids[:, :, 0] == PADDING).any():
        raise MalformedAnswer("a phrase must have at least one token")
    if ((ids[:, :, 1:] != PADDING) & (ids[:, :, :-1] == PADDING)).any():
        raise MalformedAnswer("padding must stand at the end of a phrase")


def check_mass(answer: Answer, vocabulary_size: int) -> None:
    listed = answer.probabilities.sum(axis=1)
    if listed.max() > 1 + MASS_TOLERANCE:
        raise MalformedAnswer("the probabilities of a prompt must sum to at most 1")
    if total_mass(answer, vocabulary_size).min() <= 0:
        raise MalformedAnswer("the probabilities of a prompt must not all be 0")


def total_mass(answer: Answer, vocabulary_size: int) -> Floats:
    """
    Return Z = Σ p_k + (V − K)·floor for each prompt.

    K counts the distinct phrases of one token. A longer phrase leaves its first token open to the
    floor, so it must not shrink what the floor covers: else K long phrases and a floor of 1 would
    be sure of everything. For Servers that speak the network's vocabulary it is the plain formula.
    """
    first = answer.ids[:, :, 0]
    single = np.ones_like(first, dtype=bool)
    if answer.ids.shape[2] > 1:
        single = answer.ids[:, :, 1] == PADDING
    rows, columns = np.nonzero(single)
    seen = np.zeros((len(first), vocabulary_size), dtype=bool)
    seen[rows, first[rows, columns]] = True
    uncovered = vocabulary_size - seen.sum(axis=1)
    return np.asarray(answer.probabilities.sum(axis=1) + uncovered * answer.floor)


def losses(answer: Answer, hidden: Tokens, vocabulary_size: int) -> Floats:
    """
    Return the loss of each prompt in nats, given the true continuations [prompts, tokens].

    L = −ln m, m = (Σ of p_k over the phrases that spell a prefix of the truth, or the floor) / Z.
    After BT v3.4.3 `phrase_cross_entropy`, over the network's own vocabulary.
    """
    listed = true_mass(answer, hidden)
    mass = np.where(np.isnan(listed), answer.floor, listed) / total_mass(answer, vocabulary_size)
    return -np.log(np.clip(mass, np.exp(-MAXIMUM_LOSS), 1.0))


def true_mass(answer: Answer, hidden: Tokens) -> Floats:
    """Return Σ p_k over the phrases that spell a prefix of the truth; NaN where there are none."""
    # Few phrases share the true first token: only those are looked at further.
    rows, columns = np.nonzero(answer.ids[:, :, 0] == hidden[:, :1])
    length = min(answer.ids.shape[2], hidden.shape[1])
    phrases, truth = answer.ids[rows, columns], hidden[rows, :length]
    spelled = ((phrases[:, :length] == truth) | (phrases[:, :length] == PADDING)).all(axis=1)
    spelled &= (phrases[:, length:] == PADDING).all(axis=1)

    rows, columns = rows[spelled], columns[spelled]
    mass = np.bincount(rows, answer.probabilities[rows, columns], minlength=len(hidden))
    return np.where(np.bincount(rows, minlength=len(hidden)) > 0, mass, np.nan)


def first_token_distribution(answer: Answer, vocabulary_size: int) -> Floats:
    """Return what the answer says of the next token alone: [prompts, vocabulary], rows sum to 1."""
    prompts = len(answer.floor)
    cells = (answer.ids[:, :, 0] + np.arange(prompts)[:, None] * vocabulary_size).ravel()
    size = prompts * vocabulary_size
    shape = (prompts, vocabulary_size)
    listed = np.bincount(cells, answer.probabilities.ravel(), minlength=size).reshape(shape)
    counted = np.bincount(cells, minlength=size).reshape(shape)
    dense = np.where(counted > 0, listed, answer.floor[:, None])
    total = dense.sum(axis=1, keepdims=True)
    return np.where(total > 0, dense / np.where(total > 0, total, 1.0), 1.0 / vocabulary_size)
