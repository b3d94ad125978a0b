"""Key-value states of what was read before, so that texts that begin alike are read once.

A conversation asks anew with all that was said, a program with the same instructions, an ensemble
with one token more. The states of a beginning do not depend on what follows it, so they are kept,
the least lately used given up first, within a bound of memory.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers

SHARED_TOKENS_MIN = 64
"""Of a beginning: shorter ones are read as fast as they are looked up."""

States = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of each layer, [1, heads, sequence, size]."""
Row = npt.NDArray[np.int64]


class Prefixes:
    """Used from one thread, the engine's."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._kept: OrderedDict[bytes, tuple[Row, States]] = OrderedDict()
        self._bytes = 0

    def begin(self, tokens: Sequence[int]) -> tuple[int, transformers.DynamicCache]:
        """How many first tokens need not be read again, and a cache that holds their states.

        The last token is always left to be read: what follows it is what is asked.
        """
        cache = transformers.DynamicCache()
        shared, key = self._find(tokens)
        if shared < SHARED_TOKENS_MIN:
            return 0, cache
        self._kept.move_to_end(key)
        for index, (keys, values) in enumerate(self._kept[key][1]):
            cache.update(keys[:, :, :shared], values[:, :, :shared], index)
        return shared, cache

    def knows(self, tokens: Sequence[int]) -> bool:
        """Whether some of the row need not be read again."""
        return self._find(tokens)[0] >= SHARED_TOKENS_MIN

    def keep(self, tokens: Sequence[int], cache: transformers.DynamicCache, place: int = 0) -> None:
        """Remember the states of a row that was read, the cache's at this place, and so those of
        its own beginning too."""
        if len(tokens) <= SHARED_TOKENS_MIN:
            return
        row = np.asarray(tokens, dtype=np.int64)
        states = [
            (cut_row(keys, place, len(row)), cut_row(values, place, len(row)))
            for keys, values in states_of(cache)
        ]
        size = count_bytes(states)
        if size > self._bytes_max:
            return
        for key, (kept, _) in list(self._kept.items()):
            if len(kept) <= len(row) and count_shared(row, kept) == len(kept):
                self._forget(key)
        self._kept[row.tobytes()] = (row, states)
        self._bytes += size
        while self._bytes > self._bytes_max:
            self._forget(next(iter(self._kept)))

    def _find(self, tokens: Sequence[int]) -> tuple[int, bytes]:
        """The kept row with the longest beginning of these, and how long that is."""
        row = np.asarray(tokens[:-1], dtype=np.int64)
        return max(
            ((count_shared(row, kept), key) for key, (kept, _) in self._kept.items()),
            default=(0, b""),
        )

    def _forget(self, key: bytes) -> None:
        _, states = self._kept.pop(key)
        self._bytes -= count_bytes(states)


def count_shared(row: Row, other: Row) -> int:
    """How many first tokens of two rows are the same."""
    length = min(len(row), len(other))
    different = np.flatnonzero(row[:length] != other[:length])
    return int(different[0]) if len(different) else length


def states_of(cache: transformers.DynamicCache) -> States:
    layers: list[Any] = cache.layers
    return [(layer.keys, layer.values) for layer in layers]


def cut_row(states: torch.Tensor, place: int, length: int) -> torch.Tensor:
    """One row of some, the padding on its left left out; a copy where there is more than that."""
    row = states[place : place + 1, :, -length:]
    return row if row.shape == states.shape else row.clone()


def count_bytes(states: States) -> int:
    return sum(keys.nbytes + values.nbytes for keys, values in states)
