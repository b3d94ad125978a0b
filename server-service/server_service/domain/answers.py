"""What an honest answer looks like: every array that comes from another neuron passes here.

An answer is a claim about probability, so the checks are those of a distribution: finite, not
negative, summing to at most one, over ids of the network's vocabulary, in the shape asked for.
The one thing these functions raise is `MalformedAnswer`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt

from server_service.domain.errors import MalformedAnswer

Ids = npt.NDArray[np.int32]
Probabilities = npt.NDArray[np.float32]
Tensors = Mapping[str, npt.NDArray[np.generic]]

Number = TypeVar("Number", bound=np.generic)

PHRASE_PADDING = -1
"""Fills a phrase up to the longest of its answer."""

PHRASE_LENGTH_MAX = 16
"""Network tokens of one phrase: one token of a foreign tokenizer spells at most so many."""

MASS_TOLERANCE = 1e-4
"""What float32 rounding may add to a sum of at most a few thousand probabilities."""

HIDDEN_WIDTH_MAX = 16_384
"""Widest hidden state taken from a Server; the widest open models of 2026 stay below."""


@dataclass(frozen=True, eq=False)
class NextPhrases:
    """What a Server believes comes next, for each row of a batch."""

    ids: Ids
    """[batch, k, phrase length], network token ids, padded with −1."""
    probabilities: Probabilities
    """[batch, k], of each phrase."""
    floor: Probabilities
    """[batch], the probability of each of the V − k tokens that no phrase names."""


@dataclass(frozen=True, eq=False)
class TokenProbabilities:
    """The likeliest next tokens after every position."""

    ids: Ids
    """[batch, sequence, k], network token ids."""
    probabilities: Probabilities
    """[batch, sequence, k]."""


def check_next_phrases(
    tensors: Tensors, *, batch: int, top_k: int, vocabulary_size: int
) -> NextPhrases:
    """Σp + max(V − k, 0)·floor ≤ 1 for each row, over at most `top_k` phrases of known ids."""
    check_names(tensors, {"ids", "probabilities", "floor"})
    ids = check_array(tensors, "ids", np.int32, 3)
    probabilities = check_array(tensors, "probabilities", np.float32, 2)
    floor = check_array(tensors, "floor", np.float32, 1)
    count = check_count(probabilities.shape[1], top_k)
    check_shape("probabilities", probabilities.shape, (batch, count))
    check_shape("ids", ids.shape[:2], (batch, count))
    check_shape("floor", floor.shape, (batch,))
    check_phrases(ids, vocabulary_size)
    check_mass(probabilities, floor, max(vocabulary_size - count, 0))
    return NextPhrases(ids, probabilities, floor)


def check_token_probabilities(
    tensors: Tensors, *, batch: int, sequence: int, top_k: int, vocabulary_size: int
) -> TokenProbabilities:
    """Σp ≤ 1 at every position, over at most `top_k` known ids."""
    check_names(tensors, {"ids", "probabilities"})
    ids = check_array(tensors, "ids", np.int32, 3)
    probabilities = check_array(tensors, "probabilities", np.float32, 3)
    count = check_count(probabilities.shape[2], top_k)
    check_shape("probabilities", probabilities.shape, (batch, sequence, count))
    check_shape("ids", ids.shape, (batch, sequence, count))
    if np.any(ids < 0) or np.any(ids >= vocabulary_size):
        raise MalformedAnswer(f"ids: not all are in 0 … {vocabulary_size - 1}")
    check_mass(probabilities, np.zeros(probabilities.shape[:2], np.float32), 0)
    return TokenProbabilities(ids, probabilities)


def check_hidden_states(tensors: Tensors, *, batch: int, sequence: int) -> Probabilities:
    """[batch, sequence, width] of finite float32."""
    check_names(tensors, {"hidden"})
    hidden = check_array(tensors, "hidden", np.float32, 3)
    check_shape("hidden", hidden.shape[:2], (batch, sequence))
    if not 1 <= hidden.shape[2] <= HIDDEN_WIDTH_MAX:
        raise MalformedAnswer(f"hidden: a width of {hidden.shape[2]} is out of range")
    if not np.isfinite(hidden).all():
        raise MalformedAnswer("hidden: not every number is finite")
    return hidden


def check_names(tensors: Tensors, expected: set[str]) -> None:
    if set(tensors) != expected:
        raise MalformedAnswer(f"expected exactly the tensors {', '.join(sorted(expected))}")


def check_array(
    tensors: Tensors, name: str, kind: type[Number], dimensions: int
) -> npt.NDArray[Number]:
    array = tensors[name]
    if array.dtype != np.dtype(kind) or array.ndim != dimensions:
        raise MalformedAnswer(
            f"{name}: expected {np.dtype(kind).name} of {dimensions} dimensions, "
            f"got {array.dtype.name} of {array.ndim}"
        )
    return cast(npt.NDArray[Number], array)


def check_count(count: int, top_k: int) -> int:
    if not 1 <= count <= top_k:
        raise MalformedAnswer(f"expected 1 … {top_k} entries, got {count}")
    return count


def check_shape(name: str, actual: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if actual != expected:
        raise MalformedAnswer(f"{name}: expected the shape {expected}, got {actual}")


def check_phrases(ids: Ids, vocabulary_size: int) -> None:
    """Each phrase is one or more known ids, then padding only."""
    if not 1 <= ids.shape[2] <= PHRASE_LENGTH_MAX:
        raise MalformedAnswer(f"ids: a phrase of {ids.shape[2]} tokens is out of range")
    if np.any(ids < PHRASE_PADDING) or np.any(ids >= vocabulary_size):
        raise MalformedAnswer(f"ids: not all are in −1 … {vocabulary_size - 1}")
    padding = ids == PHRASE_PADDING
    if np.any(padding[:, :, 0]):
        raise MalformedAnswer("ids: a phrase is empty")
    if np.any(padding[:, :, :-1] & ~padding[:, :, 1:]):
        raise MalformedAnswer("ids: a phrase goes on after its padding")


def check_mass(probabilities: Probabilities, floor: Probabilities, rest: int) -> None:
    """Finite, not negative, Σp + rest·floor ≤ 1, summed in float64."""
    for name, values in (("probabilities", probabilities), ("floor", floor)):
        if not np.isfinite(values).all() or np.any(values < 0):
            raise MalformedAnswer(f"{name}: not every number is finite and at least 0")
    mass = probabilities.sum(axis=-1, dtype=np.float64) + rest * floor.astype(np.float64)
    if np.any(mass > 1 + MASS_TOLERANCE):
        raise MalformedAnswer(f"probabilities: they sum to {mass.max():.6f}, more than 1")
