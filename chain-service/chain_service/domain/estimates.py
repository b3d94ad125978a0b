"""
Floors of the Nakamoto step, estimated for whole blocks of rows and then exact.

A floor is estimated in float64 from below and from above. Where both agree, it is the plain step's;
where they don't, the exact product decides (wide.py). The products of a step add up to 2^63 at most
and are known to 2^-49 of themselves, so some thousands are in doubt, whatever the step's size.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from chain_service.domain import wide
from chain_service.domain.fixed import FRACTION_BITS, ONE, divide
from chain_service.domain.network import Row
from chain_service.domain.parameters import UINT32_MAX
from chain_service.domain.rows import height_of, spread_rows
from chain_service.domain.wide import Unsigned

Floats = NDArray[np.float64]

EXACT_FLOAT = 2**52
"""Money below this is exact in float64, and twice as much still is."""
MARGIN = 2.0**-51
"""What an estimate is widened by: as much as four operations of float64 can be off."""
NOTHING = np.empty(0, dtype=np.uint64)


class BeyondFloats(Exception):
    """There is more money in the bonds than float64 holds exactly."""


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
        floors = write_whole(self._low, self._high).view(np.uint64)
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
        if not len(cells):
            return NOTHING
        weight = self._weights.take(cells).astype(np.uint64)
        values = (weight << np.uint64(31)) + (weight >> np.uint64(1)) + (weight == UINT32_MAX)
        return wide.multiply(self._shares[cells // self._weights.shape[1]], values)


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
        floors = write_whole(low, high).view(np.uint64)
        floors.reshape(-1)[doubtful] = self._decide(bonds, doubtful)
        return floors

    def _decide(self, bonds: Floats, cells: NDArray[np.intp]) -> Unsigned:
        if not len(cells):
            return NOTHING
        columns = cells % len(self._held)
        dividends, divisors = bonds.take(cells), self._held[columns]
        quotients = wide.divide(dividends.astype(np.int64), divisors.astype(np.int64))
        return wide.multiply(self._incentive[columns], quotients)


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


def write_whole(numbers: Floats, over: Floats) -> NDArray[np.int64]:
    """Return whole numbers as integers, written over memory that is in the cache."""
    integers = over.view(np.int64)
    np.copyto(integers, numbers, casting="unsafe")
    return integers
