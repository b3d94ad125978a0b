"""
I65F63 fixed point in plain integers: a number x is held as the integer floor(x · 2^63).

This is the original chain's arithmetic (opentensor/subtensor_deprecated, its step.rs, by the crate
`substrate-fixed`): products are floored, quotients truncated. Agreement to the last bit needs each
operation in the same order, so the formulas that use these functions must not be simplified.
"""

from collections.abc import Sequence

FRACTION_BITS = 63
ONE = 1 << FRACTION_BITS
"""The number 1."""
UINT64_MAX = 2**64 - 1


def multiply(left: int, right: int) -> int:
    """Return the product, floored to 63 fraction bits."""
    return left * right >> FRACTION_BITS


def divide(dividend: int, divisor: int) -> int:
    """Return the quotient, truncated toward zero to 63 fraction bits; the divisor is positive."""
    quotient = (abs(dividend) << FRACTION_BITS) // divisor
    return quotient if dividend >= 0 else -quotient


def divide_all(dividends: Sequence[int], divisor: int) -> list[int]:
    """Return the quotients of numbers that aren't negative by one divisor; 0 by 0 is 0."""
    return [(dividend << FRACTION_BITS) // (divisor or 1) for dividend in dividends]


def to_uint64(number: int) -> int:
    """Return floor(x · (2^64 − 1)): how the chain reports a share of 0…1."""
    return number * UINT64_MAX >> FRACTION_BITS
