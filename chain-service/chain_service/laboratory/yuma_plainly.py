"""
Yuma once more, entry by entry over sparse rows in plain integers: what `domain/yuma.py` must equal.

It is read beside the formulas there, whose numbers its comments carry. Yuma3 is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chain_service.domain.fixed32 import FRACTION_BITS, ONE, UINT16_MAX
from chain_service.domain.network import Graph
from chain_service.domain.parameters import PARTS_PER_MILLION, ChainParameters

Rows = Mapping[int, dict[int, int]]
"""By i, then by j; what is missing is 0."""


@dataclass(frozen=True)
class Found:
    incentive: Sequence[int]
    dividends: Sequence[int]
    emission_rao: Sequence[int]
    bonds: Rows


def run_epoch_plainly(graph: Graph, parameters: ChainParameters, permits: Sequence[bool]) -> Found:
    """Return what an epoch finds where everybody is active and keeps the same permit."""
    count = len(graph.stakes_rao)
    total = sum(graph.stakes_rao)
    stake = [rao * ONE // total for rao in graph.stakes_rao]  # 2
    stake = normalise([s if permits[i] else 0 for i, s in enumerate(stake)])  # 4
    weights = {i: read_weights(graph, i) if permits[i] else {} for i in range(count)}  # 5
    majority = parameters.yuma_kappa_u16 * ONE // UINT16_MAX
    consensus = [find_median(j, stake, weights, majority) for j in range(count)]  # 6
    clipped = {i: {j: min(w, consensus[j]) for j, w in row.items()} for i, row in weights.items()}
    incentive = normalise(sum_columns(clipped, stake, count))  # 7, 8

    penalty = parameters.yuma_bonds_penalty_u16 * ONE // UINT16_MAX
    bought = {
        i: {j: w + multiply(clipped[i][j] - w, penalty) for j, w in row.items()}
        for i, row in weights.items()
    }
    old = {i: dict(graph.bonds_rao[i]) for i in range(count)}
    bonds = move_bonds(bought, old, stake, parameters, count)  # 9
    dividends = normalise(
        [sum(multiply(b, incentive[j]) for j, b in bonds[i].items()) for i in range(count)]
    )  # 10
    both = normalise([i + d for i, d in zip(incentive, dividends, strict=True)])  # 11
    emission = [graph.emission_rao * share // ONE for share in both]
    return Found(incentive, dividends, emission, store_bonds(bonds, count))


def read_weights(graph: Graph, uid: int) -> dict[int, int]:
    row = dict(graph.weights[uid])
    highest = max(row.values(), default=1)
    scaled = {j: (2 * UINT16_MAX * w + highest) // (2 * highest) for j, w in row.items()}
    scaled.pop(uid, None)
    return dict(zip(scaled, normalise(list(scaled.values())), strict=True))


def find_median(column: int, stake: Sequence[int], weights: Rows, majority: int) -> int:
    """Return the least score with more than Σs − κ of the stake at or below it."""
    scores = sorted((weights[i].get(column, 0), s) for i, s in enumerate(stake) if s)
    minority = min(sum(stake) - majority, sum(stake) - 1)
    below = 0
    for score, share in scores:
        below += share
        if below > minority:
            return score
    return 0


def move_bonds(
    bought: Rows, old: Rows, stake: Sequence[int], parameters: ChainParameters, count: int
) -> Rows:
    alpha = ONE - parameters.bonds_moving_average_ppm * ONE // PARTS_PER_MILLION
    purchased = sum_columns(bought, stake, count)
    held = sum_columns(old, [ONE] * count, count)
    moved: Rows = {i: {} for i in range(count)}
    for i, row in moved.items():
        for j in {*bought[i], *old[i]}:
            purchase = divide(multiply(bought[i].get(j, 0), stake[i]), purchased[j])
            kept = divide(old[i].get(j, 0), held[j])
            row[j] = multiply(purchase, alpha) + multiply(kept, ONE - alpha)
    totals = sum_columns(moved, [ONE] * count, count)
    return {i: {j: divide(b, totals[j]) for j, b in row.items()} for i, row in moved.items()}


def store_bonds(bonds: Rows, count: int) -> Rows:
    """Return bonds of 65,535, where the highest of each column is that; zeros left out."""
    highest = [0] * count
    for row in bonds.values():
        for j, bond in row.items():
            highest[j] = max(highest[j], bond)
    shares = {
        i: {j: divide(b, highest[j]) * UINT16_MAX >> FRACTION_BITS for j, b in row.items()}
        for i, row in bonds.items()
    }
    return {i: {j: share for j, share in row.items() if share} for i, row in shares.items()}


def sum_columns(rows: Rows, factors: Sequence[int], count: int) -> list[int]:
    sums = [0] * count
    for i, row in rows.items():
        for j, value in row.items():
            sums[j] += multiply(value, factors[i])
    return sums


def normalise(values: Iterable[int]) -> list[int]:
    values = list(values)
    total = sum(values)
    return [divide(value, total) for value in values]


def multiply(left: int, right: int) -> int:
    return left * right >> FRACTION_BITS


def divide(dividend: int, divisor: int) -> int:
    return (dividend << FRACTION_BITS) // divisor if divisor else 0
