"""
The Nakamoto step at speed: the same as `nakamoto.py` to the last bit, over whole rows at once.

A matrix has a row for each neuron that ranks others or holds bonds. It is worked through in blocks
of rows that fit the cache. All products and quotients are those of the plain step, taken apart into
pieces of 64 bits; each function derives why its floor is the same. A property test holds the two
equal. What the pieces can't hold, and graphs so sparse that a matrix is mostly zeros, go to the
plain step.
"""

import numpy as np
from numpy.typing import NDArray

from chain_service.domain.fixed import FRACTION_BITS, ONE, divide, multiply, to_uint64
from chain_service.domain.nakamoto import (
    calculate_consensus,
    find_active,
    normalise,
    normalise_stakes,
    run_nakamoto_step,
)
from chain_service.domain.network import Graph, Row, Step
from chain_service.domain.parameters import PARTS_PER_MILLION, UINT32_MAX, ChainParameters
from chain_service.domain.rows import blocks_of, pack_line, spread_rows

Signed = NDArray[np.int64]
Unsigned = NDArray[np.uint64]

EXACT_FLOAT = 2**52
"""Money below this is exact in float64, also times a power of 2, and twice as much still is."""
CELLS_PER_ENTRY_MAX = 50
"""Beyond so many cells per stored entry the plain step is as fast."""
LIMB_BITS = 32
LIMB = np.uint64((1 << LIMB_BITS) - 1)
LOW = np.uint64(LIMB_BITS)
DIGIT_BITS = 31
"""A quotient is found in two digits of this many bits."""


def run_nakamoto_step_densely(graph: Graph, parameters: ChainParameters) -> Step:
    """Return what `run_nakamoto_step` returns."""
    count = len(graph.stakes_rao)
    uids = [i for i in range(count) if len(graph.weights[i]) or len(graph.bonds_rao[i])]
    if not is_dense(graph, len(uids)) or parameters.self_ownership_denominator != 2:
        return run_nakamoto_step(graph, parameters)
    bonds = spread_rows([graph.bonds_rao[uid] for uid in uids], count)
    bonds[:, sorted(graph.reassigned_uids)] = 0
    held = float(bonds.sum(axis=0, dtype=np.float64).max(initial=0))
    if bonds.min(initial=0) < 0 or held + graph.emission_rao >= EXACT_FLOAT:
        return run_nakamoto_step(graph, parameters)
    weights = spread_rows([graph.weights[uid] for uid in uids], count)
    weights[np.arange(len(uids)), uids] = 0

    active = find_active(graph, parameters.activity_cutoff_blocks)
    shares = normalise_stakes(graph.stakes_rao, active)
    voting = np.array([shares[uid] if active[uid] else 0 for uid in uids], dtype=np.uint64)
    momentum = divide(parameters.bonds_moving_average_ppm * ONE, PARTS_PER_MILLION * ONE)
    rank, trust = rank_neurons(weights, bonds, voting, momentum, graph.emission_rao)
    stored: list[Row] = [()] * count
    for uid, line in zip(uids, bonds, strict=True):
        stored[uid] = pack_line(line)
    if sum(rank) == 0:
        return unranked(active, stored)

    rank = normalise(rank)
    active_share = sum(share for share, is_active in zip(shares, active, strict=True) if is_active)
    trust = [divide(value, active_share) for value in trust]
    consensus_of = {value: calculate_consensus(value, parameters) for value in set(trust)}
    consensus = [consensus_of[value] for value in trust]
    incentive = normalise([multiply(r, c) for r, c in zip(rank, consensus, strict=True)])
    dividends = normalise(calculate_dividends(incentive, bonds, uids))
    return Step(
        active=active,
        rank=[to_uint64(value) for value in rank],
        trust=[to_uint64(value) for value in trust],
        consensus=[to_uint64(value) for value in consensus],
        incentive=[to_uint64(value) for value in incentive],
        dividends=[to_uint64(value) for value in dividends],
        emission_rao=[graph.emission_rao * value >> FRACTION_BITS for value in dividends],
        bonds_rao=stored,
        shares=dividends,
        shares_one=ONE,
    )


def is_dense(graph: Graph, row_count: int) -> bool:
    entries = sum(map(len, graph.weights)) + sum(map(len, graph.bonds_rao))
    return 2 * row_count * len(graph.stakes_rao) <= CELLS_PER_ENTRY_MAX * entries


def rank_neurons(
    weights: Signed, bonds: Signed, voting: Unsigned, momentum: int, emission_rao: int
) -> tuple[list[int], list[int]]:
    """3 and 4: return R and T, and change the bonds in place."""
    rank = np.zeros(weights.shape[1], dtype=np.uint64)
    trust = np.zeros(weights.shape[1], dtype=np.uint64)
    for block in blocks_of(weights):
        shares = voting[block, None]
        weight = weights[block].view(np.uint64)
        given = multiply_weights(shares, weight)
        rank += given.sum(axis=0)
        trust += ((weight != 0) * shares).sum(axis=0)
        bonds[block] = decay(bonds[block].view(np.uint64), momentum)
        bonds[block] += buy_bonds(given, (ONE - momentum) * emission_rao)
    return rank.tolist(), trust.tolist()


def multiply_weights(shares: Unsigned, weights: Unsigned) -> Unsigned:
    """
    Return floor(s · floor(w · 2^63 / U32) / 2^63), U32 = 2^32 − 1.

    For w < U32 the inner quotient is v = w·2^31 + floor(w/2) = (w·(2^32 + 1) − b) / 2, b the lowest
    bit of w; for w = U32 it is 2^63. With s·w = t·2^32 + f the result is
    floor((s·w·(2^32 + 1) − s·b) / 2^64) = t + floor((t + f + floor((f − s·b) / 2^32)) / 2^32),
    and floor((f − s·b) / 2^32) = −b·(high half of s + [f < low half of s]).
    """
    high, low = shares >> LOW, shares & LIMB
    product = low * weights
    tops = high * weights + (product >> LOW)
    product &= LIMB
    carry = (product < low) + high
    carry *= weights & np.uint64(1)
    product += tops
    product -= carry
    product >>= LOW
    product += tops
    full = weights == UINT32_MAX
    if full.any():
        np.copyto(product, shares, where=full)
    return product


def decay(bonds: Unsigned, momentum: int) -> Unsigned:
    """
    Return floor(m · B / 2^63).

    In halves of 32 bits m·B = (B₁·m₁)·2^64 + (B₁·m₀ + B₀·m₁)·2^32 + B₀·m₀; the middle, with what
    the last term carries into it, stays below 2^64 as B < 2^53 and m ≤ 2^63.
    """
    high, low = np.uint64(momentum >> LIMB_BITS), np.uint64(momentum & int(LIMB))
    bonds_high, bonds_low = bonds >> LOW, bonds & LIMB
    middle = bonds_low * low
    middle >>= LOW
    middle += bonds_low * high
    middle += bonds_high * low
    middle >>= np.uint64(DIGIT_BITS)
    bonds_high *= high * np.uint64(2)
    middle += bonds_high
    return middle


def buy_bonds(given: Unsigned, factor: int) -> Signed:
    """
    Return floor(given · factor / 2^126): the plain step's two floors make one.

    The float64 product is within 2^−51 of itself. Where a whole number is as near as that, the
    floor is taken of the exact product instead.
    """
    estimate = given * (factor / 2.0 ** (2 * FRACTION_BITS))
    bought = estimate.astype(np.int64)
    margin = float(estimate.max(initial=0)) * 2.0**-51
    estimate -= np.rint(estimate)
    np.abs(estimate, out=estimate)
    doubtful = np.flatnonzero((estimate <= margin) & (given != 0))
    if len(doubtful):
        bought.flat[doubtful] = scale_exactly(given.flat[doubtful], factor)
    return bought


def scale_exactly(values: Unsigned, factor: int) -> Unsigned:
    """Return floor(values · factor / 2^126) by limbs of 32 bits; the factor is below 2^128."""
    sums = [np.zeros(len(values), dtype=np.uint64) for _ in range(7)]
    for place, limb in enumerate((values & LIMB, values >> LOW)):
        for other in range(4):
            piece = limb * np.uint64(factor >> LIMB_BITS * other & int(LIMB))
            sums[place + other] += piece & LIMB
            sums[place + other + 1] += piece >> LOW
    for place in range(6):
        sums[place + 1] += sums[place] >> LOW
        sums[place] &= LIMB
    # Bit 126 is bit 30 of the fourth limb.
    whole: Unsigned = sums[3] >> np.uint64(30)
    whole += sums[4] << np.uint64(2)
    whole += sums[5] << np.uint64(34)
    return whole


def calculate_dividends(incentive: list[int], bonds: Signed, uids: list[int]) -> list[int]:
    """8, with one half for the bond holders: D_i before it is normalised."""
    totals = bonds.sum(axis=0)
    # Where nobody holds bonds in i, both halves stay: two floors, as in the plain step.
    halves_kept = np.where(totals == 0, 2, 1).tolist()
    dividends = [
        multiply(value, ONE // 2) * halves
        for value, halves in zip(incentive, halves_kept, strict=True)
    ]
    earned = np.array(incentive, dtype=np.uint64)
    divisors = np.maximum(totals, 1)
    for block in blocks_of(bonds):
        parts = share_incentive(bonds[block], divisors, earned).sum(axis=1).tolist()
        for uid, part in zip(uids[block], parts, strict=True):
            dividends[uid] += part
    return dividends


def share_incentive(bonds: Signed, totals: Signed, incentive: Unsigned) -> Unsigned:
    """
    Return floor(I · floor(B · 2^62 / ΣB) / 2^63).

    That is the plain step's ½ · floor(B · 2^63 / ΣB), floored. The quotient has two digits of 31
    bits, g₁·2^31 + g₀. With I = I₁·2^32 + I₀ the product is
    I₁·g₁ + floor((I₀·g₁ + 2·I₁·g₀ + floor(I₀·g₀ / 2^31)) / 2^32), and all of it below 2^64.
    """
    divisors = totals.astype(np.float64)
    first, rest = take_digit(bonds, totals, divisors)
    second, _ = take_digit(rest, totals, divisors)
    upper, lower = first.view(np.uint64), second.view(np.uint64)
    high, low = incentive >> LOW, incentive & LIMB
    middle = low * lower
    middle >>= np.uint64(DIGIT_BITS)
    lower *= high * np.uint64(2)
    middle += lower
    middle += low * upper
    middle >>= LOW
    upper *= high
    middle += upper
    return middle


def take_digit(
    dividends: Signed, divisors: Signed, divisors_float: NDArray[np.float64]
) -> tuple[Signed, Signed]:
    """
    Return floor(dividend · 2^31 / divisor) and the remainder; dividend ≤ divisor < 2^53.

    The float64 quotient is at most one too large. The remainder shows it: it is exact, as both its
    terms overflow alike.
    """
    estimate = dividends.astype(np.float64)
    estimate *= float(1 << DIGIT_BITS)
    estimate /= divisors_float
    digit = estimate.astype(np.int64)
    remainder = dividends << DIGIT_BITS
    remainder -= digit * divisors
    wrong = remainder < 0
    if wrong.any():
        digit -= wrong
        remainder += wrong * divisors
    return digit, remainder


def unranked(active: list[bool], bonds: list[Row]) -> Step:
    zeros = [0] * len(active)
    return Step(active, zeros, zeros, zeros, zeros, zeros, zeros, bonds, zeros, ONE)
