"""
I32F32 fixed point in numpy arrays: a number x is held as the int64 floor(x · 2^32).

This is Yuma's arithmetic in the later chain (opentensor/subtensor, the crate `substrate-fixed`):
products are floored, quotients of positive numbers too, and a quotient by zero is zero. Only whole
numbers and IEEE's four basic operations are used, so all machines find the same.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from chain_service.domain.rows import blocks_of, height_of

Fixed = NDArray[np.int64]
"""Numbers in I32F32, at most 2^15 in size."""
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

FRACTION_BITS = 32
ONE = 1 << FRACTION_BITS
"""The number 1."""
UINT16_MAX = 65_535
HALF_BITS = 16
HALF_MASK = (1 << HALF_BITS) - 1
MARGIN = 2.0**-51
"""What an estimated quotient is lowered by, of itself."""
DOUBT = 2.0**-18
"""So much, in its last bit, a quotient may be above its estimate."""
EXPONENT_MAX = 20 * ONE
EXPONENT_SQUARINGS = 10
EXPONENT_TERMS = 8


class Scratch:
    """Where blocks are worked out: memory that is used again stays in the cache."""

    def __init__(self, width: int) -> None:
        height = height_of(width)
        self.estimates, self.floors = np.empty((2, height, width))
        self.doubts = np.empty((height, width), dtype=np.bool_)


def multiply(left: Fixed, right: Fixed | int) -> Fixed:
    """Return floor(left · right)."""
    return map_blocks(multiply_block, left, np.asarray(right))


def divide(dividend: Fixed, divisor: Fixed | int) -> Fixed:
    """
    Return floor(dividend / divisor), and 0 for 0 / 0.

    0 ≤ dividend ≤ divisor < 2^20 (2^52 as integers).
    """
    return map_blocks(divide_block, dividend, np.asarray(divisor))


def sum_products(matrix: Fixed, factors: Fixed, axis: int) -> Fixed:
    """Return Σ floor(matrix · factors) along an axis, all in 0…1; the products aren't kept."""
    total = np.zeros(matrix.shape[1 - axis], dtype=np.int64)
    scratch = Scratch(matrix.shape[1])
    for block in blocks_of(matrix):
        by_row = factors.ndim == 2 and len(factors) == len(matrix)
        left = matrix[block]
        products = scratch.floors[: len(left)].view(np.int64)
        multiply_shares(left, factors[block] if by_row else factors, products, scratch)
        if axis == 0:
            total += products.sum(axis=0)
        else:
            total[block] = products.sum(axis=1)
    return total


def multiply_block(left: Fixed, right: Fixed, out: Fixed, _: Scratch) -> None:
    """Write floor(left · right), by halves, as the product would not fit 64 bits."""
    low = (left & HALF_MASK) * right
    low >>= HALF_BITS
    np.multiply(left >> HALF_BITS, right, out=out)
    out += low
    out >>= HALF_BITS


def multiply_shares(left: Fixed, right: Fixed, out: Fixed, scratch: Scratch) -> None:
    """Write floor(left · right) of numbers in 0…1: at once, unless 1 · 1 may be among them."""
    if right.max(initial=0) >= ONE:
        multiply_block(left, right, out, scratch)
        return
    product = out.view(np.uint64)
    np.multiply(left.view(np.uint64), right.view(np.uint64), out=product)
    product >>= np.uint64(FRACTION_BITS)


def divide_block(dividend: Fixed, divisor: Fixed, out: Fixed, scratch: Scratch) -> None:
    """
    Write floor(dividend / divisor), and 0 for 0 / 0, by float64 quotients estimated from below.

    The margin takes 4 · 2^-53 from a quotient, its two roundings add or take 2 · 2^-53. So the true
    one is less than 2^32 · 2^-50 above the estimate: only fractions so near 1 leave a doubt.
    """
    estimates, floors = scratch.estimates[: len(out)], scratch.floors[: len(out)]
    doubts = scratch.doubts[: len(out)]
    safe = np.maximum(divisor, 1)
    estimates[:] = dividend
    estimates *= (1 - MARGIN) * ONE / safe
    np.trunc(estimates, out=floors)
    estimates -= floors
    np.greater_equal(estimates, 1 - DOUBT, out=doubts)
    cells = np.flatnonzero(doubts)
    missing = _find_missing(dividend, safe, floors, cells)
    np.copyto(out, floors, casting="unsafe")
    out[np.unravel_index(cells, out.shape)] += missing


def _find_missing(dividend: Fixed, divisor: Fixed, floors: Floats, cells: NDArray[np.intp]) -> Mask:
    """
    Say which of the cells' floors are 1 too small.

    The remainder shows it, and is exact although its two terms overflow: both do modulo 2^64.
    """
    divisors = np.broadcast_to(divisor, floors.shape)[np.unravel_index(cells, floors.shape)]
    remainders = dividend.take(cells) << FRACTION_BITS
    remainders -= floors.take(cells).astype(np.int64) * divisors
    missing: Mask = remainders >= divisors
    return missing


def map_blocks(
    operation: Callable[..., None],
    *operands: Fixed,
    out: Fixed | None = None,
) -> Fixed:
    """
    Work through matrices by rows that fit the cache: that halves the time.

    `out` may be one of the operands, which is then overwritten: fresh memory costs as much again.
    """
    shape = np.broadcast_shapes(*(operand.shape for operand in operands))
    result = np.empty(shape, dtype=np.int64) if out is None else out
    lines, scratch = np.atleast_2d(result), Scratch(shape[-1])
    parts = [np.atleast_2d(operand) for operand in operands]
    for block in blocks_of(lines):
        # What is the same for every row is left as it is.
        sliced = (part[block] if len(part) == len(lines) else part for part in parts)
        operation(*sliced, lines[block], scratch)
    return result


def normalise(values: Fixed, axis: int = 0, out: Fixed | None = None) -> Fixed:
    """Return x / Σx along an axis; all zero stays zero."""
    return map_blocks(divide_block, values, values.sum(axis=axis, keepdims=True), out=out)


def upscale(values: Fixed, axis: int = 0) -> Fixed:
    """Return x / max x along an axis; all zero stays zero."""
    return divide(values, values.max(axis=axis, keepdims=True, initial=0))


def upscale_to_uint16(values: Fixed, axis: int = 0) -> Fixed:
    """Return round(x / max x · 65,535): how the later chain stores weights; x ≤ 2^32."""
    return map_blocks(scale_block, values, find_highest(values, axis))


def find_highest(values: Fixed, axis: int) -> Fixed:
    """Return the highest along an axis, at least 1 of 2^32."""
    highest: Fixed = np.maximum(values.max(axis=axis, keepdims=True, initial=0), 1)
    return highest


def scale_block(values: Fixed, highest: Fixed, out: Fixed, scratch: Scratch) -> None:
    """
    Write floor((2 · 65,535 · x + max) / (2 · max)).

    That is whole or at least 1 / (2 · max) ≥ 2^-33 away from the next whole number, and float64 is
    off by less than 3 · 2^-37: half of the distance more has the same floor.
    """
    scaled = scratch.estimates[: len(out)]
    scaled[:] = values
    scaled *= UINT16_MAX / highest
    scaled += 0.5 + 0.25 / highest
    np.copyto(out, scaled, casting="unsafe")


def to_uint16(values: Fixed) -> NDArray[np.int64]:
    """Return floor(x · 65,535): how the later chain reports and stores shares."""
    shares: NDArray[np.int64] = values * UINT16_MAX
    shares >>= FRACTION_BITS
    return shares


def from_uint16(shares: NDArray[np.int64]) -> Fixed:
    """Return x / 65,535."""
    result: Fixed = (shares << FRACTION_BITS) // UINT16_MAX
    return result


def exponentiate(exponents: Fixed) -> NDArray[np.float64]:
    """
    Return e^x, x cut to −20…20, exact to about 10^-12.

    e^x = (e^(x/1024))^1024 with the first terms of the series: a library's exponential may differ
    between machines in its last bit.
    """
    cut = np.clip(exponents, -EXPONENT_MAX, EXPONENT_MAX) / float(ONE)
    small = cut / (1 << EXPONENT_SQUARINGS)
    power = np.ones_like(small)
    for term in range(EXPONENT_TERMS, 0, -1):
        power = 1.0 + small / term * power
    for _ in range(EXPONENT_SQUARINGS):
        power = power * power
    return power


def calculate_sigmoid(exponents: Fixed) -> Fixed:
    """Return 1 / (1 + e^−x), floored."""
    result: Fixed = (float(ONE) / (1.0 + exponentiate(-exponents))).astype(np.int64)
    return result
