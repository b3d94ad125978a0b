"""
The Nakamoto step: rank, trust, consensus, incentive, dividends, emission.

Source: opentensor/subtensor_deprecated @ 576f2bd, pallets/subtensor/src/step.rs (November 2021 to
March 2023). Written beside docs/mechanism.md §2, formula by formula, in I65F63; the vectors pin it
to the last bit. i ranks, j is ranked.
"""

from collections.abc import Sequence

from chain_service.domain.exponential import exponentiate
from chain_service.domain.fixed import ONE, divide, divide_all, multiply, to_uint64
from chain_service.domain.network import Graph, Row, Step
from chain_service.domain.parameters import PARTS_PER_MILLION, UINT32_MAX, ChainParameters

Bonds = list[dict[int, int]]


def run_nakamoto_step(graph: Graph, parameters: ChainParameters) -> Step:
    """Return scores, emission and bonds of one step; E = `graph.emission_rao`."""
    count = len(graph.stakes_rao)
    active = find_active(graph, parameters.activity_cutoff_blocks)
    shares = normalise_stakes(graph.stakes_rao, active)
    momentum = divide(parameters.bonds_moving_average_ppm * ONE, PARTS_PER_MILLION * ONE)
    bonds = decay_bonds(graph, momentum)
    rank, trust = [0] * count, [0] * count
    rank_neurons(graph, active, shares, momentum, rank, trust, bonds)
    if sum(rank) == 0:
        return _unranked(active, bonds)

    rank = normalise(rank)
    active_share = sum(share for share, is_active in zip(shares, active, strict=True) if is_active)
    trust = divide_all(trust, active_share)
    consensus = [calculate_consensus(value, parameters) for value in trust]
    incentive = normalise([multiply(r, c) for r, c in zip(rank, consensus, strict=True)])
    dividends = normalise(calculate_dividends(incentive, bonds, parameters))
    return Step(
        active=active,
        rank=[to_uint64(value) for value in rank],
        trust=[to_uint64(value) for value in trust],
        consensus=[to_uint64(value) for value in consensus],
        incentive=[to_uint64(value) for value in incentive],
        dividends=[to_uint64(value) for value in dividends],
        emission_rao=[multiply(graph.emission_rao * ONE, value) // ONE for value in dividends],
        bonds_rao=_sparse(bonds),
        shares=dividends,
        shares_one=ONE,
    )


def find_active(graph: Graph, cutoff_blocks: int) -> list[bool]:
    """1. a_i = block − last_update_i < activity_cutoff."""
    return [graph.block - last_update < cutoff_blocks for last_update in graph.last_update_blocks]


def normalise_stakes(stakes_rao: Sequence[int], active: Sequence[bool]) -> list[int]:
    """2. s_i = S_i / Σ_active S; where the active hold nothing, nobody has a share."""
    total = sum(stake for stake, is_active in zip(stakes_rao, active, strict=True) if is_active)
    if total == 0:
        return [0] * len(stakes_rao)
    return [divide(stake * ONE, total * ONE) for stake in stakes_rao]


def decay_bonds(graph: Graph, momentum: int) -> Bonds:
    """3. B_ij ← floor(m · B_ij); bonds in a slot that was given away are dropped."""
    return [
        {
            uid: multiply(momentum, amount * ONE) // ONE
            for uid, amount in row
            if uid not in graph.reassigned_uids
        }
        for row in graph.bonds_rao
    ]


def rank_neurons(
    graph: Graph,
    active: Sequence[bool],
    shares: Sequence[int],
    momentum: int,
    rank: list[int],
    trust: list[int],
    bonds: Bonds,
) -> None:
    """4. For j ≠ i: R_j += s_i·w; T_j += s_i; B_ij += floor((1 − m)·s_i·w·E), i active."""
    for uid, row in enumerate(graph.weights):
        if not active[uid] or shares[uid] == 0:
            continue
        for other, weight in row:
            if other == uid:
                continue
            given = multiply(shares[uid], divide(weight * ONE, UINT32_MAX * ONE))
            bought = multiply(ONE - momentum, given * graph.emission_rao) // ONE
            rank[other] += given
            trust[other] += shares[uid]
            bonds[uid][other] = bonds[uid].get(other, 0) + bought


def calculate_consensus(trust: int, parameters: ChainParameters) -> int:
    """6. C_j = 1 / (1 + exp(−ρ(T_j − κ)))."""
    kappa = divide(ONE, parameters.kappa_denominator * ONE)
    exponent = multiply(trust - kappa, parameters.rho * ONE)
    return divide(ONE, ONE + exponentiate(-exponent))


def calculate_dividends(
    incentive: Sequence[int], bonds: Bonds, parameters: ChainParameters
) -> list[int]:
    """8. D_i = ½ I_i + ½ Σ_j I_j·B_ij / Σ_k B_kj; both halves stay where i has no bond holders."""
    own = divide(ONE, parameters.self_ownership_denominator * ONE)
    totals = [0] * len(incentive)
    for row in bonds:
        for other, amount in row.items():
            totals[other] += amount
    dividends = []
    for uid, row in enumerate(bonds):
        dividend = multiply(incentive[uid], own)
        if totals[uid] == 0:
            dividend += multiply(incentive[uid], ONE - own)
        for other, amount in row.items():
            if amount:
                fraction = divide(amount * ONE, totals[other] * ONE)
                dividend += multiply(incentive[other], multiply(ONE - own, fraction))
        dividends.append(dividend)
    return dividends


def normalise(values: Sequence[int]) -> list[int]:
    """5, 7, 8. x ← x / Σx; all zero stays zero."""
    return divide_all(values, sum(values))


def _unranked(active: Sequence[bool], bonds: Bonds) -> Step:
    """Return the step of a network where nobody ranks another: no score, no payout."""
    zeros = [0] * len(active)
    return Step(
        active=active,
        rank=zeros,
        trust=zeros,
        consensus=zeros,
        incentive=zeros,
        dividends=zeros,
        emission_rao=zeros,
        bonds_rao=_sparse(bonds),
        shares=zeros,
        shares_one=ONE,
    )


def _sparse(bonds: Bonds) -> list[Row]:
    return [tuple((uid, row[uid]) for uid in sorted(row) if row[uid]) for row in bonds]
