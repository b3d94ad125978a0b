"""
The exponential, exact and then floored to 63 fraction bits.

e^x is e^whole times a tabulated e^part for every nine bits of the fraction, worked out with so many
guard bits that the floor is certain. Where it is not, as for x = 0, sixty decimal digits decide.
"""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Context, Decimal
from functools import cache

from chain_service.domain.fixed import FRACTION_BITS, ONE

DECIMALS = Context(prec=60, Emax=999_999, Emin=-999_999)
"""Enough digits that flooring to 63 bits never depends on the rounding of the 60th."""
PART_BITS = 9
PART_COUNT = 1 << PART_BITS
TABLES = FRACTION_BITS // PART_BITS
GUARDED_BITS = 190
"""Fraction bits of what is tabulated; sixty digits are 199."""
WHOLE_MAX = 30
ERROR = 1 << 64
"""
More than a power is off, counted in its last bit. Each of up to 511 factors of an entry adds less
than 3·2^-190 to the relative error, so an entry has less than 2^-179, the product of eight less
than 2^-176, and the power is below e^31 < 2^45.
"""


def exponentiate(exponent: int) -> int:
    """Return e^exponent, exact and then floored to 63 fraction bits."""
    whole, fraction = exponent >> FRACTION_BITS, exponent & (ONE - 1)
    if whole > WHOLE_MAX:
        return exponentiate_decimally(exponent)
    power = _power_of_whole(whole)
    for place, table in enumerate(_tables()):
        part = fraction >> PART_BITS * place & (PART_COUNT - 1)
        power = power * table[part] >> GUARDED_BITS
    dropped_bits = GUARDED_BITS - FRACTION_BITS
    floor = (power - ERROR) >> dropped_bits
    certain = floor == (power + ERROR) >> dropped_bits
    return floor if certain else exponentiate_decimally(exponent)


def exponentiate_decimally(exponent: int) -> int:
    """Return the same by decimal digits: thirty times as slow."""
    return _floor_power(exponent, ONE, FRACTION_BITS)


@cache
def _tables() -> Sequence[Sequence[int]]:
    """Return e^(part · 2^(9 · place) / 2^63) by place and part, with all guard bits."""
    tables = []
    for place in range(TABLES):
        root = _floor_power(1 << PART_BITS * place, ONE, GUARDED_BITS)
        table = [1 << GUARDED_BITS]
        while len(table) < PART_COUNT:
            table.append(table[-1] * root >> GUARDED_BITS)
        tables.append(table)
    return tables


@cache
def _power_of_whole(whole: int) -> int:
    return _floor_power(whole, 1, GUARDED_BITS)


def _floor_power(dividend: int, divisor: int, fraction_bits: int) -> int:
    """Return floor(e^(dividend / divisor) · 2^fraction_bits)."""
    power = DECIMALS.exp(DECIMALS.divide(Decimal(dividend), Decimal(divisor)))
    scaled = DECIMALS.multiply(power, Decimal(1 << fraction_bits))
    return int(scaled.to_integral_value(rounding=ROUND_FLOOR))
