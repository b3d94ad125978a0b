"""
The Nakamoto step at speed: the same as `nakamoto.py` to the last bit, over many rows at once.

Rows of neurons that rank others or hold bonds are worked through in blocks that fit the cache. A
floor is estimated in float64 from below and from above. Where both agree, it is the plain step's;
where they don't, the exact product decides (wide.py). The products of a step add up to 2^63 at most
and are known to 2^-49 of themselves, so some thousands are in doubt, whatever the step's size. A
property test holds both steps equal. What float64 can't hold, and graphs so sparse that a matrix is
mostly zeros, go to the plain step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from chain_service.domain import wide
from chain_service.domain.fixed import FRACTION_BITS, ONE, UINT64_MAX, divide, divide_all
from chain_service.domain.nakamoto import (
    calculate_consensus,
    find_active,
    normalise,
    normalise_stakes,
    run_nakamoto_step,
)
from chain_service.domain.network import Graph, Row, Step
from chain_service.domain.parameters import PARTS_PER_MILLION, UINT32_MAX, ChainParameters
from chain_service.domain.rows import (
    PackedRow,
    blocks_of,
    height_of,
    pack_line,
    pack_row,
    spread_rows,
)
from chain_service.domain.wide import Unsigned

Floats = NDArray[np.float64]

EXACT_FLOAT = 2**52
"""Money below this is exact in float64, and twice as much still is."""
CELLS_PER_ENTRY_MAX = 200
"""Beyond so many cells per stored entry the plain step is as fast."""
MARGIN = 2.0**-51
"""What an estimate is widened by: as much as four operations of float64 can be off."""


class BeyondFloats(Exception):
    """There is more money in the bonds than float64 holds exactly."""


@dataclass
class Ranked:
    """What the rows of weights and bonds add up to, by uid."""

    rank: Unsigned
    trust: Unsigned
    bonds: Floats
    """B_ij after the step, with a row for each of `uids`."""
    uids: Sequence[int]

    @cached_property
    def held(self) -> Floats:
        """Σ_i B_ij."""
        held: Floats = self.bonds.sum(axis=0)
        return held


def run_nakamoto_step_densely(graph: Graph, parameters: ChainParameters) -> Step:
    """Return what `run_nakamoto_step` returns."""
    uids = [uid for uid, row in enumerate(graph.weights) if len(row) or len(graph.bonds_rao[uid])]
    money_fits = graph.emission_rao < EXACT_FLOAT
    if (
        not is_dense(graph, len(uids))
        or parameters.self_ownership_denominator != 2
        or not money_fits
    ):
        return run_nakamoto_step(graph, parameters)
    try:
        return run_rows(graph, parameters, uids)
    except BeyondFloats:
        return run_nakamoto_step(graph, parameters)


def is_dense(graph: Graph, row_count: int) -> bool:
    entries = sum(map(len, graph.weights)) + sum(map(len, graph.bonds_rao))
    return 2 * row_count * len(graph.stakes_rao) <= CELLS_PER_ENTRY_MAX * entries


def run_rows(graph: Graph, parameters: ChainParameters, uids: Sequence[int]) -> Step:
    """Run the step over these rows: all that aren't empty."""
    active = find_active(graph, parameters.activity_cutoff_blocks)
    shares = normalise_stakes(graph.stakes_rao, active)
    voting = [share if is_active else 0 for share, is_active in zip(shares, active, strict=True)]
    ranked = rank_neurons(graph, parameters, uids, voting)
    bonds = pack_bonds(ranked)
    rank = ranked.rank.tolist()
    if not any(rank):
        zeros = [0] * len(active)
        return Step(active, zeros, zeros, zeros, zeros, zeros, zeros, bonds, zeros, ONE)

    rank = normalise(rank)
    trust = divide_all(ranked.trust.tolist(), sum(voting))
    consensus_of = {value: calculate_consensus(value, parameters) for value in set(trust)}
    consensus = [consensus_of[value] for value in trust]
    incentive = normalise([r * c >> FRACTION_BITS for r, c in zip(rank, consensus, strict=True)])
    dividends = normalise(calculate_dividends(incentive, ranked))
    return Step(
        active=active,
        rank=report(rank),
        trust=report(trust),
        consensus=report(consensus),
        incentive=report(incentive),
        dividends=report(dividends),
        emission_rao=[graph.emission_rao * value >> FRACTION_BITS for value in dividends],
        bonds_rao=bonds,
        shares=dividends,
        shares_one=ONE,
    )


def report(values: Sequence[int]) -> list[int]:
    """Return what `to_uint64` does of each."""
    return [value * UINT64_MAX >> FRACTION_BITS for value in values]


def pack_bonds(ranked: Ranked) -> list[Row]:
    """Return the bonds of all uids as rows."""
    rows: list[Row] = [()] * len(ranked.rank)
    for uid, line in zip(ranked.uids, ranked.bonds, strict=True):
        rows[uid] = pack_line(line.astype(np.int64))
    return rows


def rank_neurons(
    graph: Graph, parameters: ChainParameters, uids: Sequence[int], voting: Sequence[int]
) -> Ranked:
    """3 and 4: add up R and T, and work out the new bonds."""
    count = len(voting)
    # Rows of a block share one margin, so those with like shares go together.
    uids = sorted(uids, key=lambda uid: -voting[uid])
    kept = Fraction(parameters.bonds_moving_average_ppm, PARTS_PER_MILLION)
    factor = (ONE - divide(kept.numerator * ONE, kept.denominator * ONE)) * graph.emission_rao
    bonds = np.empty((len(uids), count))
    ranked = Ranked(np.zeros(count, np.uint64), np.zeros(count, np.uint64), bonds, uids)
    scratch = Scratch(count)
    for block in blocks_of(bonds):
        rows = [pack_row(graph.weights[uid]) for uid in uids[block]]
        shares = [voting[uid] for uid in uids[block]]
        add_trust(ranked.trust, uids[block], rows, shares)
        given = Given(uids[block], rows, shares, scratch)
        ranked.rank += given.floors().sum(axis=0)
        spread_rows([graph.bonds_rao[uid] for uid in uids[block]], bonds[block])
        bonds[block, sorted(graph.reassigned_uids)] = 0
        decay(bonds[block], kept)
        bonds[block] += given.buy(factor)
    if ranked.held.max(initial=0) >= EXACT_FLOAT:
        raise BeyondFloats
    return ranked


def add_trust(
    trust: Unsigned, uids: Sequence[int], rows: Sequence[PackedRow], shares: Sequence[int]
) -> None:
    """T_j += s_i for each stored entry (j, w) of row i, j ≠ i."""
    for uid, row, share in zip(uids, rows, shares, strict=True):
        own = trust[uid]
        for place, _ in row.places:
            trust[place] += np.uint64(share)
        trust[uid] = own


class Scratch:
    """Where every block of rows is worked out: memory that is used again stays in the cache."""

    def __init__(self, width: int) -> None:
        self.weights, self.estimate, self.low, self.high = np.empty((4, height_of(width), width))


class Given:
    """
    What rows give: g = floor(s · v / 2^63), v = floor(w · 2^63 / U32), U32 = 2^32 − 1.

    The inner floor takes less than 1 from v, so less than s / 2^63 ≤ 1 from the product.
    """

    def __init__(
        self, uids: Sequence[int], rows: Sequence[Row], shares: Sequence[int], scratch: Scratch
    ) -> None:
        height = len(rows)
        self._shares = np.array(shares, dtype=np.uint64)
        self._weights, self._estimate = scratch.weights[:height], scratch.estimate[:height]
        self._low, self._high = scratch.low[:height], scratch.high[:height]
        spread_rows(rows, self._weights)
        self._weights[np.arange(height), uids] = 0
        # s · w / U32, less than two operations off.
        for share, line, out in zip(shares, self._weights, self._estimate, strict=True):
            np.multiply(line, share / UINT32_MAX, out=out)

    def floors(self) -> Unsigned:
        """Return g."""
        np.multiply(self._estimate, 1 - MARGIN, out=self._low)
        np.multiply(self._estimate, 1 + MARGIN, out=self._high)
        self._low -= int(self._shares.max()) * (1 + MARGIN) / ONE
        doubtful = settle(self._low, self._high)
        floors = self._low.astype(np.int64).view(np.uint64)
        floors.reshape(-1)[doubtful] = self._decide(doubtful)
        return floors

    def buy(self, factor: int) -> Floats:
        """
        Return floor(g · factor / 2^126): the plain step's two floors make one.

        g is less than 2 below its estimate: one for each of its own two floors.
        """
        rate = factor / 2 ** (2 * FRACTION_BITS)
        np.multiply(self._estimate, rate * (1 - 2 * MARGIN), out=self._low)
        np.multiply(self._estimate, rate * (1 + 2 * MARGIN), out=self._high)
        self._low -= 4 * rate
        doubtful = settle(self._low, self._high)
        self._low.reshape(-1)[doubtful] = wide.scale(self._decide(doubtful), factor)
        return self._low

    def _decide(self, cells: NDArray[np.intp]) -> Unsigned:
        """Return g of some cells: below U32, v is w · 2^31 + floor(w / 2), else 2^63."""
        weight = self._weights.take(cells).astype(np.uint64)
        values = (weight << np.uint64(31)) + (weight >> np.uint64(1)) + (weight == UINT32_MAX)
        return wide.multiply(self._shares[cells // self._weights.shape[1]], values)


def decay(bonds: Floats, kept: Fraction) -> None:
    """
    B ← floor(m · B), m = p / q floored to 63 bits.

    B · p / q is whole or at least 1 / q above a whole number, and m · B is less than B / 2^63 below
    it: the same floor, but 1 less for a whole number where m isn't exact. Half of 1 / q more or
    less says so, which is more than float64 is off.
    """
    most = float(bonds.max(initial=0))
    if bonds.min(initial=0) < 0 or most >= EXACT_FLOAT:
        raise BeyondFloats
    momentum = divide(kept.numerator * ONE, kept.denominator * ONE)
    if most * kept.denominator >= EXACT_FLOAT / 8:
        bonds[:] = wide.multiply(bonds.astype(np.uint64), np.array([momentum], np.uint64))
        return
    is_exact = momentum * kept.denominator == kept.numerator * ONE
    bonds *= float(kept)
    bonds += (0.5 if is_exact else -0.5) / kept.denominator
    # Toward zero: no bond stays none.
    np.trunc(bonds, out=bonds)


def settle(low: Floats, high: Floats) -> NDArray[np.intp]:
    """Take the whole numbers of both estimates in place, and return the cells where they differ."""
    # Toward zero: an estimate from below may be less than nothing.
    np.trunc(low, out=low)
    np.trunc(high, out=high)
    return np.flatnonzero(low != high)


def calculate_dividends(incentive: Sequence[int], ranked: Ranked) -> list[int]:
    """8, with one half for the bond holders: D_i before it is normalised."""
    earned = np.array(incentive, dtype=np.uint64)
    # Where nobody holds bonds in i, both halves stay: two floors, as in the plain step.
    halves = np.where(ranked.held == 0, np.uint64(2), np.uint64(1))
    dividends: Unsigned = (earned >> np.uint64(1)) * halves
    sharing = Sharing(earned, ranked.held)
    for block in blocks_of(ranked.bonds):
        dividends[ranked.uids[block]] += sharing.floors(ranked.bonds[block]).sum(axis=1)
    found: list[int] = dividends.tolist()
    return found


class Sharing:
    """
    What bonds bring: floor(I · g / 2^63), g = floor(B · 2^62 / ΣB).

    That is the plain step's ½ · floor(B · 2^63 / ΣB), floored. The inner floor takes less than
    I / 2^63 from the product, whose estimate is five operations off.
    """

    def __init__(self, incentive: Unsigned, held: Floats) -> None:
        self._incentive, self._held = incentive, np.maximum(held, 1)
        self._rates = incentive / (2 * self._held)
        self._gaps = incentive * ((1 + MARGIN) / ONE)
        self._scratch = Scratch(len(held))

    def floors(self, bonds: Floats) -> Unsigned:
        scratch = self._scratch
        estimate, low, high = (
            part[: len(bonds)] for part in (scratch.estimate, scratch.low, scratch.high)
        )
        estimate[:] = bonds
        estimate *= self._rates
        np.multiply(estimate, 1 - 2 * MARGIN, out=low)
        np.multiply(estimate, 1 + 2 * MARGIN, out=high)
        low -= self._gaps
        doubtful = settle(low, high)
        floors = low.astype(np.int64).view(np.uint64)
        floors.reshape(-1)[doubtful] = self._decide(bonds, doubtful)
        return floors

    def _decide(self, bonds: Floats, cells: NDArray[np.intp]) -> Unsigned:
        columns = cells % len(self._held)
        dividends, divisors = bonds.take(cells), self._held[columns]
        quotients = wide.divide(dividends.astype(np.int64), divisors.astype(np.int64))
        return wide.multiply(self._incentive[columns], quotients)
