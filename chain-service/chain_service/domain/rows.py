"""Sparse rows as arrays, so that a step over a million weights needn't unpack a million pairs."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import overload

import numpy as np
from numpy.typing import NDArray

from chain_service.domain.encoding import hash_bytes
from chain_service.domain.network import Row

Pair = tuple[int, int]

UID_BYTES, VALUE_BYTES = 4, 8
CELLS_PER_BLOCK = 1 << 15
"""A block's arrays, of 256 KiB each, stay in the processor's second cache."""


class PackedRow(Sequence[Pair]):
    """A row that reads as its (uid, value) pairs, and holds them as two arrays; never changed."""

    __slots__ = ("_digest", "uids", "values")

    def __init__(self, uids: NDArray[np.int64], values: NDArray[np.int64]) -> None:
        self.uids = uids
        self.values = values
        self._digest: bytes | None = None

    @property
    def packed(self) -> bytes:
        """The uids as little-endian u32, then the values as u64."""
        return self.uids.astype("<u4").tobytes() + self.values.astype("<u8").tobytes()

    @property
    def digest(self) -> bytes:
        """Return blake2b-256 of the packed bytes."""
        if self._digest is None:
            self._digest = hash_bytes(self.packed)
        return self._digest

    def __len__(self) -> int:
        return len(self.uids)

    def __iter__(self) -> Iterator[Pair]:
        return zip(self.uids.tolist(), self.values.tolist(), strict=True)

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Pair]: ...
    def __getitem__(self, index: int | slice) -> Pair | Sequence[Pair]:
        if isinstance(index, slice):
            return PackedRow(self.uids[index], self.values[index])
        return int(self.uids[index]), int(self.values[index])

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PackedRow):
            return np.array_equal(self.uids, other.uids) and np.array_equal(
                self.values, other.values
            )
        if isinstance(other, Sequence):
            return list(self) == list(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


def pack_row(row: Row) -> PackedRow:
    """Return a row as arrays; values are below 2^63."""
    if isinstance(row, PackedRow):
        return row
    flat = np.fromiter(chain.from_iterable(row), dtype=np.int64, count=2 * len(row))
    return PackedRow(flat[::2], flat[1::2])


def unpack_row(packed: bytes) -> PackedRow:
    """Return the row of packed bytes."""
    count = len(packed) // (UID_BYTES + VALUE_BYTES)
    uids = np.frombuffer(packed, "<u4", count).astype(np.int64)
    return PackedRow(uids, np.frombuffer(packed, "<u8", count, count * UID_BYTES).astype(np.int64))


def pack_line(line: NDArray[np.int64]) -> PackedRow:
    """Return a dense row as a packed one, zeros left out."""
    uids = np.flatnonzero(line != 0)
    return PackedRow(uids, line[uids])


def spread_rows(rows: Sequence[Row], count: int) -> NDArray[np.int64]:
    """Return sparse rows as a matrix with a column for each of `count` uids."""
    matrix = np.zeros((len(rows), count), dtype=np.int64)
    for line, row in zip(matrix, rows, strict=True):
        if len(row):
            packed = pack_row(row)
            line[packed.uids] = packed.values
    return matrix


def blocks_of(matrix: NDArray[np.int64]) -> Iterator[slice]:
    """Yield slices of rows that make a block."""
    height = max(CELLS_PER_BLOCK // max(matrix.shape[1], 1), 1)
    for start in range(0, matrix.shape[0], height):
        yield slice(start, start + height)
