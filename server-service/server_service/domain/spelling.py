"""
From a model's own vocabulary to the network's, through text.

A model that splits text in another way still answers for the network's tokens: the probability of
a network token is the sum over the model's tokens whose text is spelled beginning with it,

    p(t) = Σ_u p(u) · [first network token of text(u) is t].

Where a network token ends inside one of the model's, the text begun there is given: only tokens
that go on from it count, and p is divided by their sum. A model whose tokens are longer than the
network's loses nothing by this; one with shorter tokens is credited for their first parts only.
"""

import codecs
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

Stop = tuple[int, int]
"""Where a token ends: how many texts have ended before, and characters from the row's start."""

BEGUN_MAX = 4096
"""Beginnings whose continuations are remembered."""


@dataclass(frozen=True)
class Reading:
    """A row of network tokens as the model reads it."""

    ids: tuple[int, ...]
    """The model's tokens."""
    places: tuple[int, ...]
    """For each network token, how many of the model's end with it or before."""
    begun: tuple[str, ...]
    """For each network token, the text that it adds to those."""


class Spelling:
    """What the model's tokens begin with, in the network's."""

    def __init__(
        self, texts: Sequence[str], encode: Callable[[str], list[int]], vocabulary_size: int
    ) -> None:
        """`texts` of the model's tokens; empty for one that has no text of its own."""
        self._texts = texts
        self._encode = encode
        self._size = vocabulary_size
        self._known: dict[str, npt.NDArray[np.int64]] = {}

    def translate(self, probabilities: Floats, begun: str = "") -> Floats:
        """[V of the model] → [V of the network]; all zeros where nothing goes on from `begun`."""
        first = self._find_firsts(begun)
        held = first >= 0
        weights = probabilities[held].astype(np.float64)
        summed = np.bincount(first[held], weights=weights, minlength=self._size)
        total = weights.sum()
        result: Floats = (summed / total if total > 0 else summed).astype(np.float32)
        return result

    def _find_firsts(self, begun: str) -> npt.NDArray[np.int64]:
        """For each model token the first network token of its text after `begun`, or −1."""
        if (known := self._known.get(begun)) is not None:
            return known
        firsts = np.array([self._find_first(text, begun) for text in self._texts], dtype=np.int64)
        if len(self._known) < BEGUN_MAX:
            self._known[begun] = firsts
        return firsts

    def _find_first(self, text: str, begun: str) -> int:
        if len(text) <= len(begun) or not text.startswith(begun):
            return -1
        return next(iter(self._encode(text[len(begun) :])), -1)


def read_row(
    row: Sequence[int],
    token_bytes: Mapping[int, bytes],
    encode: Callable[[str], tuple[Sequence[int], Sequence[int]]],
    end_of_text: Mapping[int, int],
) -> Reading:
    """
    Read network tokens as text and encode it anew.

    `token_bytes` of the network's plain tokens; `encode` gives the model's ids and the place, in
    characters, where each ends; `end_of_text` names the model's token for each of the network's.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    ids: list[int] = []
    stops: list[Stop] = []
    ends: list[Stop] = []
    text, start, texts_ended = "", 0, 0

    def encode_rest() -> None:
        added, places = encode(text[start:]) if len(text) > start else ((), ())
        ids.extend(added)
        stops.extend((texts_ended, start + place) for place in places)

    for token in row:
        if token in end_of_text:
            encode_rest()
            ids.append(end_of_text[token])
            start, texts_ended = len(text), texts_ended + 1
            stops.append((texts_ended, start))
        text += decoder.decode(token_bytes.get(token, b""))
        ends.append((texts_ended, len(text)))
    encode_rest()
    places = [bisect_right(stops, end) for end in ends]
    begun = [
        text[stops[place - 1][1] if place else 0 : end]
        for place, (_, end) in zip(places, ends, strict=True)
    ]
    return Reading(tuple(ids), tuple(places), tuple(begun))


def bytes_of_characters() -> dict[str, int]:
    """
    The alphabet of byte-level tokenizers: each byte as one printable character.

    Bytes that are printable in Latin-1 stand for themselves, the others for 256, 257, … in order.
    """
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    alphabet = {chr(byte): byte for byte in plain}
    return alphabet | {chr(256 + number): byte for number, byte in enumerate(others)}
