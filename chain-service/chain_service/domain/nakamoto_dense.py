"""
The Nakamoto step at speed: the same as `nakamoto.py` to the last bit, over many rows at once.

Rows of neurons that rank others or hold bonds are worked through in blocks that fit the cache, by
estimates that the exact product settles where they leave a doubt (estimates.py). A property test
holds both steps equal. What float64 can't hold, and graphs so sparse that a matrix is mostly zeros,
go to the plain step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from chain_service.domain.estimates import (
    EXACT_FLOAT,
    BeyondFloats,
    Floats,
    Given,
    Scratch,
    Sharing,
    decay,
    write_whole,
)
from chain_service.domain.fixed import FRACTION_BITS, ONE, UINT64_MAX, divide, divide_all
from chain_service.domain.nakamoto import (
    calculate_consensus,
    find_active,
    normalise,
    normalise_stakes,
    run_nakamoto_step,
)
from chain_service.domain.network import Graph, Row, Step
from chain_service.domain.parameters import PARTS_PER_MILLION, ChainParameters
from chain_service.domain.rows import PackedRow, blocks_of, pack_lines, pack_row, spread_rows
from chain_service.domain.wide import Unsigned

CELLS_PER_ENTRY_MAX = 200
"""Beyond so many cells per stored entry the plain step is as fast."""


@dataclass
class Ranked:
    """What the rows of weights and bonds add up to, by uid."""

    rank: Unsigned
    trust: Unsigned
    bonds: Floats
    """B_ij after the step, with a row for each of `uids`."""
    held: Floats
    """Σ_i B_ij."""
    uids: Sequence[int]


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
    rank = ranked.rank.tolist()
    if not any(rank):
        zeros, bonds = [0] * len(active), pack_bonds(ranked)
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
        bonds_rao=pack_bonds(ranked),
        shares=dividends,
        shares_one=ONE,
    )


def report(values: Sequence[int]) -> list[int]:
    """Return what `to_uint64` does of each."""
    return [value * UINT64_MAX >> FRACTION_BITS for value in values]


def pack_bonds(ranked: Ranked) -> list[Row]:
    """Return the bonds of all uids as rows, which take over the memory of the matrix."""
    rows: list[Row] = [()] * len(ranked.rank)
    scratch = Scratch(len(rows)).estimate
    for block in blocks_of(ranked.bonds):
        lines = ranked.bonds[block]
        numbers = scratch[: len(lines)]
        numbers[:] = lines
        packed = pack_lines(write_whole(numbers, lines))
        for uid, row in zip(ranked.uids[block], packed, strict=True):
            rows[uid] = row
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
    rank, trust = np.zeros((2, count), dtype=np.uint64)
    ranked = Ranked(rank, trust, bonds, np.zeros(count), uids)
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
        ranked.held += bonds[block].sum(axis=0)
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
