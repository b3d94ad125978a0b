"""Numbers as Binance writes them: decimal strings with a fixed number of places."""

from functools import lru_cache
from typing import Final

NUMBERS_KEPT: Final = 10_000
"""Prices, quantities and nothing at all come again and again."""
SAT_PLACES = 8
RAO_PLACES = 9


def btc(amount_sat: int) -> str:
    """Write satoshi as BTC; a price too, which is satoshi per TAO."""
    return decimal(amount_sat, SAT_PLACES)


def tao(amount_rao: int) -> str:
    """Write rao as TAO."""
    return decimal(amount_rao, RAO_PLACES)


@lru_cache(NUMBERS_KEPT)
def decimal(amount: int, places: int) -> str:
    whole, fraction = divmod(abs(amount), 10**places)
    return f"{'-' if amount < 0 else ''}{whole}.{fraction:0{places}d}"
