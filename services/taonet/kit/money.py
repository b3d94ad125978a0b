"""Amounts of money: integers of the smallest unit, everywhere and always."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, NewType

from pydantic import BeforeValidator, PlainSerializer

Rao = NewType("Rao", int)
"""The smallest unit of TAO: 1 TAO = 1,000,000,000 rao."""

Satoshi = NewType("Satoshi", int)
"""The smallest unit of bitcoin: 1 BTC = 100,000,000 satoshi."""

RAO_PER_TAO = 1_000_000_000
SATOSHI_PER_BTC = 100_000_000
AMOUNT_MAX = 10**20 - 1
"""What NUMERIC(20, 0) holds; far above all the money there can be."""


def parse_amount(value: object) -> int:
    """Read an amount from JSON: a decimal string, or an integer that JavaScript could not spoil."""
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) <= 20):
            raise ValueError("an amount is at most 20 digits, without sign, point or spaces")
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("an amount is a whole number of the smallest unit, as a string")
    amount = int(value)
    if not 0 <= amount <= AMOUNT_MAX:
        raise ValueError("an amount is never negative, and has at most 20 digits")
    return amount


AmountInJson = Annotated[
    int, BeforeValidator(parse_amount), PlainSerializer(str, return_type=str, when_used="json")
]
"""An amount as a pydantic field: an int in Python, a decimal string in JSON."""


def parse_tao(text: str) -> Rao:
    """Read an amount that a person typed in TAO, such as `1.5`; at most nine decimals."""
    return Rao(_parse_units(text, RAO_PER_TAO, "TAO"))


def parse_btc(text: str) -> Satoshi:
    """Read an amount that a person typed in BTC; at most eight decimals."""
    return Satoshi(_parse_units(text, SATOSHI_PER_BTC, "BTC"))


def format_tao(amount_rao: int, decimals: int = 9) -> str:
    """Write rao as TAO for people, with so many decimals, cut and not rounded up."""
    whole, fraction = divmod(abs(amount_rao), RAO_PER_TAO)
    sign = "-" if amount_rao < 0 else ""
    digits = f"{fraction:09d}"[:decimals]
    return f"{sign}{whole:,}" + (f".{digits}" if digits else "")


def _parse_units(text: str, unit: int, name: str) -> int:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount of {name}, such as 1.5") from None
    units = amount * unit if amount.is_finite() else Decimal(-1)
    if units < 0 or units > AMOUNT_MAX or units != units.to_integral_value():
        decimals = len(str(unit)) - 1
        raise ValueError(
            f"{text!r}: {name} amounts are not negative, with up to {decimals} decimals"
        )
    return int(units)
