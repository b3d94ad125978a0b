"""What a Server may answer to TextCausalLMNext, and how wrong it was.

An answer is hostile input. It is checked here once, in full; all that follows may trust it. The
loss is a proper score: nobody does better on average than by telling what he believes.

An answer may hold 32 × 4096 phrases, and a Validator scores thousands a second: arrays keep the
wire's narrow types, and each pass over them is counted.
"""

from collections.abc import Iterator
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

    ids: NDArray[np.int32]
    """[prompts, phrases, phrase length], padded with −1 on the right; in memory all first tokens
    lie together, then all second ones."""
    probabilities: NDArray[np.float32]
    """[prompts, phrases], not negative, at most 1 in all."""
    floor: Floats
    """[prompts]: the probability of each token that no phrase spells."""
    plain: NDArray[np.bool_]
    """[prompts]: whether each phrase is one token, and none comes twice."""
    mass: Floats
    """[prompts]: Z, all that the answer gives away; positive."""


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
    check_numbers("probabilities", probabilities)
    check_numbers("floor", floor)
    check_tokens(ids, vocabulary_size)
    columns = np.ascontiguousarray(np.moveaxis(ids.astype(np.int32, copy=False), 2, 0))
    check_padding(columns)
    narrow = np.moveaxis(columns, 0, 2)
    floors = floor.astype(np.float64)
    listed = probabilities.sum(axis=1, dtype=np.float64)
    if listed.max() > 1 + MASS_TOLERANCE:
        raise MalformedAnswer("the probabilities of a prompt must sum to at most 1")
    uncovered = count_uncovered(narrow, vocabulary_size)
    plain = vocabulary_size - uncovered == ids.shape[1]
    mass = listed + uncovered * floors
    if mass.min() <= 0:
        raise MalformedAnswer("the probabilities of a prompt must not all be 0")
    return Answer(narrow, probabilities.astype(np.float32, copy=False), floors, plain, mass)


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


def check_numbers(name: str, values: NDArray[np.generic]) -> None:
    """Refuse what is no probability. A NaN makes both ends NaN, and compares as false."""
    least, greatest = float(values.min()), float(values.max())
    if not (least >= 0 and greatest <= 1 + MASS_TOLERANCE):
        raise MalformedAnswer(f"{name} must be finite, and lie between 0 and 1")


def check_tokens(ids: NDArray[np.generic], vocabulary_size: int) -> None:
    if int(ids.max()) >= vocabulary_size or int(ids.min()) < PADDING:
        raise MalformedAnswer(f"token ids must lie below {vocabulary_size}")


def check_padding(columns: NDArray[np.int32]) -> None:
    """Refuse empty phrases and such with a hole, given [phrase length, prompts, phrases]."""
    if columns[0].min() == PADDING:
        raise MalformedAnswer("a phrase must have at least one token")
    padded = columns[1:] == PADDING
    if (padded[:-1] > padded[1:]).any():
        raise MalformedAnswer("padding must stand at the end of a phrase")


def count_uncovered(ids: NDArray[np.int32], vocabulary_size: int) -> Tokens:
    """
    Return V − K for each prompt, so that Z = Σ p_k + (V − K)·floor.

    K counts the distinct phrases of one token. A longer phrase leaves its first token open to the
    floor, so it must not shrink what the floor covers: else K long phrases and a floor of 1 would
    be sure of everything. For Servers that speak the network's vocabulary it is the plain formula.
    """
    # One small table, row after row, stays in the core's nearest memory.
    covered = np.empty(vocabulary_size + 1, dtype=bool)
    counts = np.empty(len(ids), dtype=np.int64)
    for row, places in enumerate(single_tokens(ids, vocabulary_size)):
        covered[:] = False
        covered[places] = True
        counts[row] = np.count_nonzero(covered[:-1])
    return vocabulary_size - counts


def single_tokens(ids: NDArray[np.int32], vocabulary_size: int) -> Tokens:
    """Return the tokens of phrases of one token, and V in the place of longer ones."""
    tokens = ids[:, :, 0].astype(np.int64)
    if ids.shape[2] > 1:
        np.putmask(tokens, ids[:, :, 1] != PADDING, vocabulary_size)
    return tokens


def losses(answer: Answer, hidden: Tokens) -> Floats:
    """
    Return the loss of each prompt in nats, given the true continuations [prompts, tokens].

    L = −ln m, m = (Σ of p_k over the phrases that spell a prefix of the truth, or the floor) / Z.
    After BT v3.4.3 `phrase_cross_entropy`, over the network's own vocabulary.
    """
    listed = true_mass(answer, hidden.astype(np.int32))
    mass = np.where(np.isnan(listed), answer.floor, listed) / answer.mass
    return -np.log(np.clip(mass, np.exp(-MAXIMUM_LOSS), 1.0))


def true_mass(answer: Answer, hidden: NDArray[np.int32]) -> Floats:
    """Return Σ p_k over the phrases that spell a prefix of the truth; NaN where there are none."""
    # Few phrases share the true first token: only those are looked at further.
    found = np.flatnonzero(answer.ids[:, :, 0] == hidden[:, :1])
    rows, columns = np.divmod(found, answer.ids.shape[1])
    length = min(answer.ids.shape[2], hidden.shape[1])
    phrases, truth = answer.ids[rows, columns], hidden[rows, :length]
    spelled = ((phrases[:, :length] == truth) | (phrases[:, :length] == PADDING)).all(axis=1)
    spelled &= (phrases[:, length:] == PADDING).all(axis=1)

    rows, columns = rows[spelled], columns[spelled]
    mass = np.bincount(rows, answer.probabilities[rows, columns], minlength=len(hidden))
    return np.where(np.bincount(rows, minlength=len(hidden)) > 0, mass, np.nan)


@dataclass(frozen=True, eq=False)
class NextTokens:
    """What an answer says of the next token alone; over all tokens it sums to 1."""

    others: float
    """The probability of each token that is not listed."""
    tokens: Tokens
    """[phrases]: with which some phrase begins; the same one may come again."""
    probabilities: Floats
    """[phrases]"""


def next_tokens(answer: Answer, rows: Tokens, vocabulary_size: int) -> Iterator[NextTokens]:
    """
    Yield what is said of the next token in some rows.

    Each token has the floor, but where a phrase of one token says better, and all that begin with
    it: so each row adds up to Z.
    """
    for row in rows:
        first = answer.ids[row, :, 0].astype(np.int64)
        listed = answer.probabilities[row].astype(np.float64)
        if not answer.plain[row]:
            listed = add_up(answer, row, first, listed, vocabulary_size)
        yield NextTokens(answer.floor[row] / answer.mass[row], first, listed / answer.mass[row])


def add_up(answer: Answer, row: int, first: Tokens, listed: Floats, vocabulary_size: int) -> Floats:
    """Return for each phrase what all phrases with its first token have together, [phrases]."""
    table = np.empty(vocabulary_size + 1)
    table[first] = answer.floor[row]
    table[single_tokens(answer.ids[row : row + 1], vocabulary_size)[0]] = 0.0
    np.add.at(table, first, listed)
    return table[first]


def first_token_distribution(answer: Answer, rows: Tokens, vocabulary_size: int) -> Floats:
    """Return what the answer says of the next token alone: [rows, vocabulary], rows sum to 1."""
    dense = np.empty((len(rows), vocabulary_size))
    for told, said in zip(dense, next_tokens(answer, rows, vocabulary_size), strict=True):
        told[:] = said.others
        told[said.tokens] = said.probabilities
    return dense
