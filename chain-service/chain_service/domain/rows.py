"""Sparse rows as arrays, so that a step over a million weights needn't unpack a million pairs."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate, chain, pairwise
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from chain_service.domain.encoding import hash_bytes
from chain_service.domain.network import Row

Pair = tuple[int, int]

UID_BYTES, VALUE_BYTES = 4, 8
RUNS_MAX = 32
"""So many runs of uids that follow one another are copied run by run."""
CELLS_PER_BLOCK = 1 << 15
"""A block's arrays, of 256 KiB each, stay in the processor's second cache."""


class PackedRow(Sequence[Pair]):
    """A row that reads as its (uid, value) pairs, and holds them as two arrays; never changed."""

    def __init__(self, uids: NDArray[np.int64], values: NDArray[np.int64]) -> None:
        self._uids = uids
        self.values = values

    @property
    def uids(self) -> NDArray[np.int64]:
        return self._uids

    @cached_property
    def places(self) -> Sequence[tuple[slice | NDArray[np.int64], slice]]:
        """
        Where parts of the values lie in a dense line: slices, ten times as fast as uids, if few.
        """
        breaks = np.flatnonzero(np.diff(self.uids) != 1) + 1
        if len(breaks) >= RUNS_MAX or not len(self.uids):
            return [(self.uids, slice(None))]
        bounds = [0, *breaks.tolist(), len(self.uids)]
        runs = [
            slice(int(self.uids[start]), int(self.uids[end - 1]) + 1)
            for start, end in pairwise(bounds)
        ]
        return place_runs(runs)

    @property
    def packed(self) -> bytes:
        """The uids as little-endian u32, then the values as u64."""
        return self.uids.astype("<u4").tobytes() + self.values.astype("<u8").tobytes()

    @cached_property
    def digest(self) -> bytes:
        """Return blake2b-256 of the packed bytes."""
        return hash_bytes(self.packed)

    def __len__(self) -> int:
        return len(self.values)

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


class RunsRow(PackedRow):
    """A row whose uids are a few runs: it holds those alone, for uids are as large as values."""

    def __init__(self, runs: Sequence[slice], values: NDArray[np.int64]) -> None:
        self._runs = runs
        self.values = values

    @property
    def uids(self) -> NDArray[np.int64]:
        return np.concatenate([np.arange(run.start, run.stop) for run in self._runs])

    @cached_property
    def places(self) -> Sequence[tuple[slice, slice]]:
        return place_runs(self._runs)


def place_runs(runs: Sequence[slice]) -> list[tuple[slice, slice]]:
    """Return each run of uids with its place among the values."""
    ends = list(accumulate((run.stop - run.start for run in runs), initial=0))
    return [(run, slice(*part)) for run, part in zip(runs, pairwise(ends), strict=True)]


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


def pack_lines(lines: NDArray[np.int64]) -> list[PackedRow]:
    """Return dense rows as packed ones, zeros left out, which take over the memory of `lines`."""
    count, width = lines.shape
    filled = np.zeros((count, width + 2), dtype=np.bool_)
    np.not_equal(lines, 0, out=filled[:, 1:-1])
    edges = np.flatnonzero(filled[:, 1:] != filled[:, :-1])
    starts = np.arange(count) * (width + 1)
    bounds = [*np.searchsorted(edges, starts).tolist(), len(edges)]
    return [
        _pack_line(line, edges[first:last] - start)
        for line, start, (first, last) in zip(lines, starts, pairwise(bounds), strict=True)
    ]


def _pack_line(line: NDArray[np.int64], edges: NDArray[np.intp]) -> PackedRow:
    """Return the runs between pairs of edges."""
    if not len(edges) or len(edges) > 2 * RUNS_MAX:
        uids = np.flatnonzero(line)
        return PackedRow(uids, line[uids])
    runs = [slice(start, end) for start, end in edges.reshape(-1, 2).tolist()]
    row = RunsRow(runs, line)
    for run, part in row.places:
        if run != part:
            line[part] = line[run]
    count = row.places[-1][1].stop
    # A few values must not keep the memory of a whole line.
    row.values = line[:count] if 2 * count >= len(line) else line[:count].copy()
    return row


def spread_rows(rows: Sequence[Row], matrix: NDArray[Any]) -> None:
    """Write sparse rows over those of a matrix, which has a column for each uid."""
    matrix[:] = 0
    for line, row in zip(matrix, rows, strict=True):
        if len(row):
            packed = pack_row(row)
            for place, part in packed.places:
                line[place] = packed.values[part]


def height_of(width: int) -> int:
    """Return how many rows make a block."""
    return max(CELLS_PER_BLOCK // max(width, 1), 1)


def blocks_of(matrix: NDArray[Any]) -> Iterator[slice]:
    """Yield slices of rows that make a block."""
    height = height_of(matrix.shape[1])
    for start in range(0, matrix.shape[0], height):
        yield slice(start, start + height)
