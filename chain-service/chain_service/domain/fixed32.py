"""
I32F32 fixed point in numpy arrays: a number x is held as the int64 floor(x · 2^32).

This is Yuma's arithmetic in the later chain (opentensor/subtensor, the crate `substrate-fixed`):
products are floored, quotients of positive numbers too, and a quotient by zero is zero. Only whole
numbers and IEEE's four basic operations are used, so all machines find the same.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from chain_service.domain.rows import blocks_of

Fixed = NDArray[np.int64]
"""Numbers in I32F32, at most 2^15 in size."""

FRACTION_BITS = 32
ONE = 1 << FRACTION_BITS
"""The number 1."""
UINT16_MAX = 65_535
HALF_BITS = 16
HALF_MASK = (1 << HALF_BITS) - 1
SMALL = 1 << 18
SIGN_BIT = 63
EXPONENT_MAX = 20 * ONE
EXPONENT_SQUARINGS = 10
EXPONENT_TERMS = 8


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
    """Return Σ floor(matrix · factors) along an axis, without keeping the products."""
    total = np.zeros(matrix.shape[1 - axis], dtype=np.int64)
    for block in blocks_of(matrix):
        by_row = factors.ndim == 2 and len(factors) == len(matrix)
        products = multiply_block(matrix[block], factors[block] if by_row else factors)
        if axis == 0:
            total += products.sum(axis=0)
        else:
            total[block] = products.sum(axis=1)
    return total


def multiply_block(left: Fixed, right: Fixed) -> Fixed:
    """Return floor(left · right), by halves where the product would not fit 64 bits."""
    if _is_share(left) and _is_share(right) and right.max(initial=0) < ONE:
        product = left.view(np.uint64) * right.view(np.uint64)
        product >>= np.uint64(FRACTION_BITS)
        return product.view(np.int64)
    low = (left & HALF_MASK) * right
    low >>= HALF_BITS
    result: Fixed = (left >> HALF_BITS) * right
    result += low
    result >>= HALF_BITS
    return result


def _is_share(values: Fixed) -> bool:
    """Say whether all are in 0…1: as unsigned numbers, those below 0 are the largest."""
    return bool(values.view(np.uint64).max(initial=0) <= ONE)


def divide_block(dividend: Fixed, divisor: Fixed) -> Fixed:
    """
    Return floor(dividend / divisor), and 0 for 0 / 0, by correcting a float64 quotient.

    It is at most one too large. The remainder shows it, and is exact although its two terms
    overflow: both do modulo 2^64.
    """
    safe = np.maximum(divisor, 1)
    if dividend.max(initial=0) < SMALL:
        return _divide_small(dividend, safe)
    estimate = dividend * float(ONE)
    estimate /= safe.astype(np.float64)
    quotient: Fixed = estimate.astype(np.int64)
    remainder = dividend << FRACTION_BITS
    remainder -= quotient * safe
    remainder >>= SIGN_BIT
    quotient += remainder
    return quotient


def _divide_small(dividend: Fixed, divisor: Fixed) -> Fixed:
    """
    Return the same for dividends below 2^18, with nothing to correct.

    a · 2^32 / d is whole or at least 1 / d away from the next whole number, and float64 is off by
    less than 3 · 2^-53 of it, so by less than 3 / (8 · d): half of 1 / d more has the same floor.
    """
    estimate = dividend.astype(np.float64)
    estimate *= ONE / divisor
    estimate += 0.5 / divisor
    return estimate.astype(np.int64)


def map_blocks(
    operation: Callable[..., Fixed], *operands: Fixed, out: Fixed | None = None
) -> Fixed:
    """
    Work through matrices by rows that fit the cache: that halves the time.

    `out` may be one of the operands, which is then overwritten: fresh memory costs as much again.
    """
    shape = np.broadcast_shapes(*(operand.shape for operand in operands))
    if len(shape) < 2:
        return operation(*operands)
    result = np.empty(shape, dtype=np.int64) if out is None else out
    # What is the same for every row is left as it is.
    has_rows = [operand.ndim == 2 and len(operand) == len(result) for operand in operands]
    for block in blocks_of(result):
        parts = (
            operand[block] if sliced else operand
            for operand, sliced in zip(operands, has_rows, strict=True)
        )
        result[block] = operation(*parts)
    return result


def normalise(values: Fixed, axis: int = 0, out: Fixed | None = None) -> Fixed:
    """Return x / Σx along an axis; all zero stays zero."""
    return map_blocks(divide_block, values, values.sum(axis=axis, keepdims=True), out=out)


def upscale(values: Fixed, axis: int = 0) -> Fixed:
    """Return x / max x along an axis; all zero stays zero."""
    return divide(values, values.max(axis=axis, keepdims=True, initial=0))


def upscale_to_uint16(values: Fixed, axis: int = 0, out: Fixed | None = None) -> Fixed:
    """Return round(x / max x · 65,535): how the later chain stores weights; x ≤ 2^32."""
    highest = np.maximum(values.max(axis=axis, keepdims=True, initial=0), 1)
    return map_blocks(_scale_block, values, highest, out=out)


def _scale_block(values: Fixed, highest: Fixed) -> Fixed:
    """
    Return floor((2 · 65,535 · x + max) / (2 · max)).

    That is whole or at least 1 / (2 · max) ≥ 2^-33 away from the next whole number, and float64 is
    off by less than 3 · 2^-37: half of the distance more has the same floor.
    """
    scaled = values.astype(np.float64)
    scaled *= UINT16_MAX / highest
    scaled += 0.5 + 0.25 / highest
    return scaled.astype(np.int64)


def to_uint16(values: Fixed) -> NDArray[np.int64]:
    """Return floor(x · 65,535): how the later chain reports and stores shares."""
    shares: NDArray[np.int64] = (values * UINT16_MAX) >> FRACTION_BITS
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
