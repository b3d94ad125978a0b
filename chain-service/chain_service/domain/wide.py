"""
Products and quotients wider than 64 bits, over whole arrays: exact, by pieces of 32 and 31 bits.

This is what `estimates.py` asks where float64 can't tell a floor. Numbers are I65F63, as in
fixed.py, or rao; none of them is negative.
"""

import numpy as np
from numpy.typing import NDArray

Unsigned = NDArray[np.uint64]
Signed = NDArray[np.int64]

LIMB_BITS = 32
LIMB = np.uint64((1 << LIMB_BITS) - 1)
LOW = np.uint64(LIMB_BITS)
DIGIT_BITS = 31
"""A quotient is found in two digits of this many bits."""
ONE_BIT = np.uint64(1)
FEW = 48
"""So many numbers are multiplied one by one in less time than as arrays."""


def multiply(left: Unsigned, right: Unsigned) -> Unsigned:
    """Return floor(left · right / 2^63); both are at most 2^63."""
    if left.ndim == 1 and len(left) < FEW:
        pairs = zip(left.tolist(), right.tolist(), strict=True)
        return np.array([one * other >> 63 for one, other in pairs], dtype=np.uint64)
    left_high, left_low = left >> LOW, left & LIMB
    right_high, right_low = right >> LOW, right & LIMB
    crossed, other = left_high * right_low, left_low * right_high
    middle = (left_low * right_low >> LOW) + (crossed & LIMB) + (other & LIMB)
    high = left_high * right_high + (crossed >> LOW) + (other >> LOW) + (middle >> LOW)
    # The floor by 2^64, and the bit below it.
    product: Unsigned = (high << ONE_BIT) + (middle >> np.uint64(DIGIT_BITS) & ONE_BIT)
    return product


def scale(values: Unsigned, factor: int) -> Unsigned:
    """Return floor(values · factor / 2^126), below 2^64; the factor is below 2^128."""
    if len(values) < FEW:
        return np.array([value * factor >> 126 for value in values.tolist()], dtype=np.uint64)
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


def divide(dividends: Signed, divisors: Signed) -> Unsigned:
    """Return floor(dividend · 2^62 / divisor); dividend ≤ divisor < 2^53."""
    high, rest = take_digit(dividends, divisors)
    low, _ = take_digit(rest, divisors)
    return ((high << DIGIT_BITS) + low).view(np.uint64)


def take_digit(dividends: Signed, divisors: Signed) -> tuple[Signed, Signed]:
    """
    Return floor(dividend · 2^31 / divisor) and the remainder; dividend ≤ divisor < 2^53.

    The float64 quotient is at most one too large. The remainder shows it: it is exact, as both its
    terms overflow alike.
    """
    estimate = dividends * float(1 << DIGIT_BITS) / divisors
    digit = estimate.astype(np.int64)
    remainder = (dividends << DIGIT_BITS) - digit * divisors
    wrong = remainder < 0
    return digit - wrong, remainder + wrong * divisors
