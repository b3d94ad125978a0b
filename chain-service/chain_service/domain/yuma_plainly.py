"""
The Yuma epoch entry by entry, in plain integers: what `yuma.py` finds, over many rows at once.

Source: opentensor/subtensor, pallets/subtensor/src/epoch, as there. Written beside MECHANISM §4,
step by step, in I32F32; a property test holds both equal to the last bit. i ranks, j is ranked.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from chain_service.domain.fixed32 import FRACTION_BITS, ONE, UINT16_MAX, calculate_sigmoid
from chain_service.domain.network import Graph, Row, Step
from chain_service.domain.parameters import PARTS_PER_MILLION, UINT64_MAX, ChainParameters

Rows = Mapping[int, dict[int, int]]
"""Numbers in I32F32 by i, then by j; what is missing is 0."""


def run_yuma_step_plainly(graph: Graph, parameters: ChainParameters) -> Step:
    """Return what `run_yuma_step` returns: scores, emission and bonds; E = `graph.emission_rao`."""
    count = len(graph.stakes_rao)
    cutoff = parameters.activity_cutoff_blocks
    active = [updated + cutoff >= graph.block for updated in graph.last_update_blocks]  # 1
    total = sum(graph.stakes_rao)
    stake = [divide(rao, total) for rao in graph.stakes_rao]  # 2
    new_permits = choose_highest(stake, parameters.yuma_max_validators)  # 3
    permits = new_permits if graph.permits is None else graph.permits
    voting = [active[i] and permits[i] for i in range(count)]
    active_stake = normalise([stake[i] if voting[i] else 0 for i in range(count)])  # 4
    weights = {i: read_weights(graph, i) if permits[i] else {} for i in range(count)}  # 5

    kappa = parameters.yuma_kappa_u16 * ONE // UINT16_MAX
    consensus = [find_median(j, active_stake, weights, kappa) for j in range(count)]  # 6
    clipped = {i: {j: min(w, consensus[j]) for j, w in row.items()} for i, row in weights.items()}
    ranks = add_columns(scale_rows(clipped, active_stake), count)  # 7
    pre_ranks = add_columns(scale_rows(weights, active_stake), count)
    incentive = normalise(ranks)  # 8

    bought = soften_clip(weights, clipped, parameters)
    if parameters.yuma3_bonds:
        bonds = move_bonds_directly(graph, bought, consensus, parameters)  # 9
        held = earn(normalise_columns(bonds, count), incentive)
        dividends = normalise([multiply(h, s) for h, s in zip(held, active_stake, strict=True)])
    else:
        bonds = move_bonds(graph, scale_rows(bought, active_stake), parameters)  # 9
        dividends = normalise(earn(bonds, incentive))  # 10
        bonds = upscale_columns(bonds, count)

    shares = share_pot(incentive, dividends, active_stake, stake)  # 11
    return Step(
        active=active,
        rank=report(incentive),
        trust=report(divide(rank, before) for rank, before in zip(ranks, pre_ranks, strict=True)),
        consensus=report(consensus),
        incentive=report(incentive),
        dividends=report(dividends),
        emission_rao=[multiply(graph.emission_rao, share) for share in shares],
        bonds_rao=[store_bonds(bonds[i]) if new_permits[i] else () for i in range(count)],
        shares=shares,
        shares_one=ONE,
        permits=new_permits,
    )


def choose_highest(stake: Sequence[int], count: int) -> list[bool]:
    """3. Say who is among so many of the highest stakes above zero; of equals, the higher uid."""
    by_stake = sorted(range(len(stake)), key=lambda i: (stake[i], i), reverse=True)
    chosen = set(by_stake[:count])
    return [i in chosen and stake[i] > 0 for i in range(len(stake))]


def read_weights(graph: Graph, i: int) -> dict[int, int]:
    """5. Return W_i of 65,535 as it is stored, without itself and who came later; then Σ = 1."""
    row = dict(graph.weights[i])
    highest = max(row.values(), default=0) or 1
    scaled = {j: (2 * UINT16_MAX * w + highest) // (2 * highest) for j, w in row.items()}
    counted = {j: w for j, w in scaled.items() if j != i and not came_later(graph, i, j)}
    return dict(zip(counted, normalise(list(counted.values())), strict=True))


def came_later(graph: Graph, i: int, j: int) -> bool:
    """Say whether j took its slot when i's weights were set already, or in the same block."""
    if not graph.weights_blocks or not graph.registered_blocks:
        return False
    return graph.weights_blocks[i] <= graph.registered_blocks[j]


def find_median(j: int, stake: Sequence[int], weights: Rows, kappa: int) -> int:
    """6. C_j: the highest weight in column j that κ of the stake supports, or the lowest."""
    supporters = sorted(((weights[i].get(j, 0), s) for i, s in enumerate(stake) if s), reverse=True)
    above = 0
    for weight, share in supporters:
        above += share
        if above >= kappa:
            return weight
    return supporters[-1][0] if supporters else 0


def soften_clip(weights: Rows, clipped: Rows, parameters: ChainParameters) -> Rows:
    """9. W + β(W̄ − W): what bonds follow."""
    penalty = parameters.yuma_bonds_penalty_u16 * ONE // UINT16_MAX
    return {
        i: {j: w + multiply(clipped[i][j] - w, penalty) for j, w in row.items()}
        for i, row in weights.items()
    }


def read_bonds(graph: Graph, i: int) -> dict[int, int]:
    """Return B_i as stored, of 65,535, without slots that were given away."""
    return {j: b for j, b in graph.bonds_rao[i] if j not in graph.reassigned_uids}


def move_bonds(graph: Graph, purchases: Rows, parameters: ChainParameters) -> Rows:
    """9. B ← norm((1 − α)·norm(B) + α·norm(s ∘ W)), each by column."""
    count = len(purchases)
    old = normalise_columns({i: read_bonds(graph, i) for i in range(count)}, count)
    new = normalise_columns(purchases, count)
    alpha = find_alpha(parameters)
    moved = {
        i: {j: average(new[i].get(j, 0), old[i].get(j, 0), alpha) for j in {*new[i], *old[i]}}
        for i in range(count)
    }
    return normalise_columns(moved, count)


def move_bonds_directly(
    graph: Graph, bought: Rows, consensus: Sequence[int], parameters: ChainParameters
) -> Rows:
    """9, Yuma3. B_ij ← min(1, (1 − α_ij)·B_ij + α_ij·W_ij)."""
    is_liquid = parameters.yuma_liquid_alpha and any(consensus)
    moved: Rows = {i: {} for i in bought}
    for i, row in moved.items():
        old = {j: divide(b, UINT16_MAX) for j, b in read_bonds(graph, i).items()}
        for j in {*bought[i], *old}:
            weight, bond = bought[i].get(j, 0), old.get(j, 0)
            alpha = find_alpha(parameters)
            if is_liquid:
                alpha = find_liquid_alpha(weight, bond, consensus[j], parameters)
            row[j] = min(average(weight, bond, alpha), ONE)
    return moved


def find_alpha(parameters: ChainParameters) -> int:
    """α = 1 − m."""
    return ONE - parameters.bonds_moving_average_ppm * ONE // PARTS_PER_MILLION


def find_liquid_alpha(weight: int, bond: int, consensus: int, parameters: ChainParameters) -> int:
    """
    α_ij = low + sigmoid(steepness · (d − ½)) · (high − low); the steepness counts hundredths.

    d, of 0…1, is W − C where i buys, W ≥ B, and B − W where it sells.
    """
    difference = weight - consensus if weight >= bond else bond - weight
    centred = min(max(difference, 0), ONE) - ONE // 2
    exponent = centred * parameters.yuma_alpha_steepness // 100
    low = parameters.yuma_alpha_low_u16 * ONE // UINT16_MAX
    high = parameters.yuma_alpha_high_u16 * ONE // UINT16_MAX
    return low + multiply(int(calculate_sigmoid(np.array([exponent]))[0]), high - low)


def earn(bonds: Rows, incentive: Sequence[int]) -> list[int]:
    """10. Return Σ_j B_ij·I_j."""
    return [sum(multiply(b, incentive[j]) for j, b in row.items()) for row in bonds.values()]


def share_pot(
    incentive: Sequence[int],
    dividends: Sequence[int],
    active_stake: Sequence[int],
    stake: Sequence[int],
) -> list[int]:
    """11. Return (I + D) / Σ(I + D); without any, the active stake, and without that, all stake."""
    both = [i + d for i, d in zip(incentive, dividends, strict=True)]
    if any(both):
        return normalise(both)
    return list(active_stake if any(active_stake) else stake)


def store_bonds(row: Mapping[int, int]) -> Row:
    """Return bonds of 65,535 by rising uid, zeros left out."""
    stored = ((j, multiply(UINT16_MAX, row[j])) for j in sorted(row))
    return tuple((j, bond) for j, bond in stored if bond)


def report(values: Iterable[int]) -> list[int]:
    """Return floor(x · (2^64 − 1))."""
    return [multiply(UINT64_MAX, value) for value in values]


def scale_rows(rows: Rows, factors: Sequence[int]) -> Rows:
    return {i: {j: multiply(x, factors[i]) for j, x in row.items()} for i, row in rows.items()}


def add_columns(rows: Rows, count: int) -> list[int]:
    sums = [0] * count
    for row in rows.values():
        for j, value in row.items():
            sums[j] += value
    return sums


def normalise_columns(rows: Rows, count: int) -> Rows:
    """Return x / Σ_i x_ij; all zero stays zero."""
    return divide_columns(rows, add_columns(rows, count))


def upscale_columns(rows: Rows, count: int) -> Rows:
    """Return x / max_i x_ij; all zero stays zero."""
    columns = range(count)
    highest = [max((row.get(j, 0) for row in rows.values()), default=0) for j in columns]
    return divide_columns(rows, highest)


def divide_columns(rows: Rows, divisors: Sequence[int]) -> Rows:
    return {i: {j: divide(x, divisors[j]) for j, x in row.items()} for i, row in rows.items()}


def normalise(values: Sequence[int]) -> list[int]:
    """Return x / Σx; all zero stays zero."""
    total = sum(values)
    return [divide(value, total) for value in values]


def average(new: int, old: int, alpha: int) -> int:
    """Return (1 − α)·old + α·new."""
    return multiply(ONE - alpha, old) + multiply(alpha, new)


def multiply(left: int, right: int) -> int:
    """Return the product, floored to 32 fraction bits."""
    return left * right >> FRACTION_BITS


def divide(dividend: int, divisor: int) -> int:
    """Return the quotient of numbers that aren't negative, floored; 0 by 0 is 0."""
    return (dividend << FRACTION_BITS) // divisor if divisor else 0
