"""
The Yuma epoch: permits, consensus as a weighted median, clipped ranks, bonds, emission.

Source: opentensor/subtensor, pallets/subtensor/src/epoch (2023 to 2026), as MECHANISM §4 tells it.
Matrices have a row for each neuron that may validate, or holds bonds, and a column for each neuron;
all numbers are I32F32. i ranks, j is ranked. What is named B here is stored of 65,535, not in rao.
`yuma_plainly.py` tells the same entry by entry; a property test holds both equal to the last bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chain_service.domain.fixed32 import (
    FRACTION_BITS,
    ONE,
    UINT16_MAX,
    Fixed,
    Mask,
    Scratch,
    calculate_sigmoid,
    divide,
    divide_block,
    find_highest,
    from_uint16,
    map_blocks,
    multiply,
    multiply_shares,
    normalise,
    scale_block,
    sum_products,
    to_uint16,
)
from chain_service.domain.network import Graph, Row, Step
from chain_service.domain.parameters import PARTS_PER_MILLION, ChainParameters
from chain_service.domain.rows import blocks_of, height_of, pack_lines, spread_rows

STEEPNESS_UNIT = 100
"""The steepness of liquid alpha counts hundredths."""


@dataclass(frozen=True)
class Epoch:
    """What an epoch found, by uid, in I32F32."""

    active: Mask
    stake: Fixed
    active_stake: Fixed
    """Of those who are active and have a permit."""
    permits: Mask
    """Who may validate from the next epoch on."""
    rows: NDArray[np.int64]
    """The uid of each row of `weights` and `bonds`."""
    weights: Fixed
    consensus: Fixed
    validator_trust: Fixed
    trust: Fixed
    incentive: Fixed
    dividends: Fixed
    emission: Fixed
    """The share of the pot."""
    bonds: Fixed


def run_yuma_step(graph: Graph, parameters: ChainParameters) -> Step:
    """Return scores, emission and bonds of one epoch; E = `graph.emission_rao`."""
    epoch = run_epoch(graph, parameters)
    shares = epoch.emission.tolist()
    return Step(
        active=epoch.active.tolist(),
        rank=_to_uint64(epoch.incentive),
        trust=_to_uint64(epoch.trust),
        consensus=_to_uint64(epoch.consensus),
        incentive=_to_uint64(epoch.incentive),
        dividends=_to_uint64(epoch.dividends),
        emission_rao=[graph.emission_rao * share >> FRACTION_BITS for share in shares],
        bonds_rao=_stored_bonds(epoch, len(shares)),
        shares=shares,
        shares_one=ONE,
        permits=epoch.permits.tolist(),
    )


def run_epoch(graph: Graph, parameters: ChainParameters) -> Epoch:
    """Run the steps 1 to 11 of Yuma; each function below is one of them."""
    active = find_active(graph, parameters.activity_cutoff_blocks)
    stake = normalise_stakes(graph.stakes_rao)
    new_permits = choose_top(stake, parameters.yuma_max_validators)
    permits = new_permits if graph.permits is None else np.asarray(graph.permits, dtype=bool)
    active_stake = normalise(np.where(active & permits, stake, 0))
    rows = find_rows(graph, permits)
    row_stake = active_stake[rows]

    weights = mask_weights(graph, rows, permits)
    consensus = calculate_median(row_stake, weights, _ratio(parameters.yuma_kappa_u16))
    clipped = np.minimum(weights, consensus)
    validator_trust = clipped.sum(axis=1)
    ranks = sum_products(clipped, row_stake[:, None], axis=0)
    pre_ranks = sum_products(weights, row_stake[:, None], axis=0)
    incentive = normalise(ranks)

    penalty = _ratio(parameters.yuma_bonds_penalty_u16)
    bought = clipped if penalty == ONE else weights + multiply(clipped - weights, penalty)
    old = read_bonds(graph, rows)
    if parameters.yuma3_bonds:
        bonds = move_bonds_directly(bought, from_uint16(old), consensus, parameters)
        held = sum_products(normalise(bonds), incentive, axis=1)
        dividends = normalise(multiply(held, row_stake))
    else:
        bonds = move_bonds(bought, old, row_stake, parameters)
        dividends = normalise(sum_products(bonds, incentive, axis=1))
        bonds = map_blocks(divide_block, bonds, bonds.max(axis=0, initial=0), out=bonds)
    bonds[~new_permits[rows]] = 0
    all_dividends = _spread(dividends, rows, len(stake))
    return Epoch(
        active=active,
        stake=stake,
        active_stake=active_stake,
        permits=new_permits,
        rows=rows,
        weights=weights,
        consensus=consensus,
        validator_trust=_spread(validator_trust, rows, len(stake)),
        trust=divide(ranks, pre_ranks),
        incentive=incentive,
        dividends=all_dividends,
        emission=share_emission(incentive, all_dividends, active_stake, stake),
        bonds=bonds,
    )


def find_active(graph: Graph, cutoff_blocks: int) -> Mask:
    """1. a_i = last_update_i + activity_cutoff ≥ block: one block longer than Nakamoto's."""
    updates = np.asarray(graph.last_update_blocks, dtype=np.int64)
    active: Mask = updates >= graph.block - cutoff_blocks
    return active


def normalise_stakes(stakes_rao: Sequence[int]) -> Fixed:
    """2. s_i = S_i / ΣS, of all, active or not."""
    total = max(sum(stakes_rao), 1)
    return np.array([stake * ONE // total for stake in stakes_rao], dtype=np.int64)


def choose_top(stake: Fixed, count: int) -> Mask:
    """3. Permits for the next epoch: the `count` highest stakes above zero, ties to higher uids."""
    chosen = np.zeros(len(stake), dtype=bool)
    order = np.argsort(stake, kind="stable")
    chosen[order[max(len(stake) - count, 0) :]] = True
    return chosen & (stake > 0)


def find_rows(graph: Graph, permits: Mask) -> NDArray[np.int64]:
    """Return the uids that have a row: they may validate, or hold bonds from when they might."""
    holders = np.array([len(row) > 0 for row in graph.bonds_rao], dtype=bool)
    return np.flatnonzero(permits | holders)


def mask_weights(graph: Graph, rows: NDArray[np.int64], permits: Mask) -> Fixed:
    """5. W without forbidden rows, self-weights, and ranks of who came later; Σ_j W_ij = 1."""
    permitted = [graph.weights[uid] if permits[uid] else () for uid in rows]
    weights = np.empty((len(rows), len(permits)), dtype=np.int64)
    scratch = Scratch(len(permits))
    for block in blocks_of(weights):
        lines = weights[block]
        spread_rows(permitted[block], lines)
        scale_block(lines, find_highest(lines, axis=1), lines, scratch)
        lines[np.arange(len(lines)), rows[block]] = 0
        if graph.weights_blocks and graph.registered_blocks:
            lines[came_later(graph, rows[block])] = 0
        divide_block(lines, lines.sum(axis=1, keepdims=True), lines, scratch)
    return weights


def came_later(graph: Graph, rows: NDArray[np.int64]) -> Mask:
    """Say who took his slot when a row's weights were set already, or in the same block."""
    set_blocks = np.asarray(graph.weights_blocks, dtype=np.int64)[rows]
    later: Mask = set_blocks[:, None] <= np.asarray(graph.registered_blocks, dtype=np.int64)
    return later


def calculate_median(stake: Fixed, scores: Fixed, majority: int) -> Fixed:
    """
    6. C_j: the least score in column j such that more than Σs − κ of the stake is at or below it.

    Each column is sorted with the row's number in the low bits, so that the stake comes along.
    """
    rows = np.flatnonzero(stake > 0)
    if not len(rows):
        return np.zeros(scores.shape[1], dtype=np.int64)
    stake, bits = stake[rows], len(rows).bit_length()
    # Without a majority the highest score is the median.
    minority = min(int(stake.sum()) - majority, int(stake.sum()) - 1)
    # Half as wide, numbers are sorted several times as fast.
    kind = np.uint32 if int(scores.max()) >> (32 - bits) == 0 else np.int64
    columns = scores.T if len(rows) == len(scores) else scores[rows].T
    median = np.empty(len(columns), dtype=np.int64)
    shape = height_of(len(rows)), len(rows)
    all_keys, all_places, all_below = (np.empty(shape, kind) for kind in (kind, np.intp, np.int64))
    for block in blocks_of(columns):
        height = len(median[block])
        keys, places, below = all_keys[:height], all_places[:height], all_below[:height]
        np.copyto(keys, columns[block], casting="unsafe")
        keys <<= kind(bits)
        keys += np.arange(len(rows), dtype=kind)
        keys.sort()
        np.bitwise_and(keys, kind((1 << bits) - 1), out=places)
        np.take(stake, places, out=below, mode="clip")
        np.cumsum(below, axis=1, out=below)
        median[block] = keys[np.arange(height), (below > minority).argmax(axis=1)] >> bits
    return median


def read_bonds(graph: Graph, rows: NDArray[np.int64]) -> Fixed:
    """Return B as stored, of 65,535, without slots that were given away."""
    bonds = np.empty((len(rows), len(graph.stakes_rao)), dtype=np.int64)
    spread_rows([graph.bonds_rao[uid] for uid in rows], bonds)
    bonds[:, sorted(graph.reassigned_uids)] = 0
    return bonds


def move_bonds(bought: Fixed, old: Fixed, stake: Fixed, parameters: ChainParameters) -> Fixed:
    """
    9. B ← norm((1 − α)·norm(B) + α·norm(s ∘ W)), each by column.

    Both `bought` and `old` are overwritten: fresh memory costs more than the work.
    """
    alpha = find_alpha(parameters)
    new_share, old_share = np.array([alpha]), np.array([ONE - alpha])
    purchases = map_blocks(multiply_shares, bought, stake[:, None], out=bought)
    purchased, held = purchases.sum(axis=0), old.sum(axis=0)

    def move(new: Fixed, bonds: Fixed, out: Fixed, scratch: Scratch) -> None:
        divide_block(new, purchased, new, scratch)
        multiply_shares(new, new_share, new, scratch)
        divide_block(bonds, held, out, scratch)
        multiply_shares(out, old_share, out, scratch)
        out += new

    moved = map_blocks(move, purchases, old, out=old)
    return map_blocks(divide_block, moved, moved.sum(axis=0), out=moved)


def move_bonds_directly(
    bought: Fixed, old: Fixed, consensus: Fixed, parameters: ChainParameters
) -> Fixed:
    """9, Yuma3. B_ij ← min(1, (1 − α_ij)·B_ij + α_ij·W_ij): a bond follows the weight itself."""
    if parameters.yuma_liquid_alpha and consensus.any():
        alphas = calculate_liquid_alphas(bought, old, consensus, parameters)
        return move_average(bought, old, alphas)
    return move_average(bought, old, np.full_like(bought, find_alpha(parameters)))


def move_average(new: Fixed, old: Fixed, alphas: Fixed) -> Fixed:
    """Return min(1, (1 − α)·old + α·new)."""
    moved: Fixed = np.minimum(multiply(ONE - alphas, old) + multiply(alphas, new), ONE)
    return moved


def find_alpha(parameters: ChainParameters) -> int:
    """α = 1 − m."""
    return ONE - parameters.bonds_moving_average_ppm * ONE // PARTS_PER_MILLION


def calculate_liquid_alphas(
    weights: Fixed, bonds: Fixed, consensus: Fixed, parameters: ChainParameters
) -> Fixed:
    """
    α_ij = low + sigmoid(steepness · (d − ½)) · (high − low): who leads the consensus moves faster.

    d is how far a weight that buys is above the consensus, or one that sells below the bond.
    """
    difference = np.where(weights >= bonds, weights - consensus, bonds - weights)
    centred = np.clip(difference, 0, ONE) - ONE // 2
    exponents = centred * parameters.yuma_alpha_steepness // STEEPNESS_UNIT
    low, high = _ratio(parameters.yuma_alpha_low_u16), _ratio(parameters.yuma_alpha_high_u16)
    alphas: Fixed = low + multiply(calculate_sigmoid(exponents), high - low)
    return alphas


def share_emission(incentive: Fixed, dividends: Fixed, active_stake: Fixed, stake: Fixed) -> Fixed:
    """11. e = (I + D) / Σ(I + D); without any, the active stake, and without that, all stake."""
    both = incentive + dividends
    if both.any():
        return normalise(both)
    return active_stake if active_stake.any() else stake


def _ratio(share_u16: int) -> int:
    return share_u16 * ONE // UINT16_MAX


def _spread(values: Fixed, rows: NDArray[np.int64], count: int) -> Fixed:
    """Return values of the rows as a vector over all uids."""
    spread = np.zeros(count, dtype=np.int64)
    spread[rows] = values
    return spread


def _stored_bonds(epoch: Epoch, count: int) -> list[Row]:
    """Return bonds as they are stored: of 65,535, zeros left out."""
    stored: list[Row] = [()] * count
    for block in blocks_of(epoch.bonds):
        rows = pack_lines(to_uint16(epoch.bonds[block]))
        for uid, row in zip(epoch.rows[block].tolist(), rows, strict=True):
            stored[uid] = row
    return stored


def _to_uint64(values: Fixed) -> list[int]:
    """Return floor(x · (2^64 − 1)), x at most 1: x · 2^64 less what is above 0."""
    shares = np.minimum(values, ONE).view(np.uint64)
    reported: list[int] = ((shares << np.uint64(FRACTION_BITS)) - (shares > 0)).tolist()
    return reported
