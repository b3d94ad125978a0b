"""Which coins pay for a Bitcoin withdrawal, and what is left for change and fee."""

from collections.abc import Sequence
from typing import Final, NamedTuple

DUST_SAT: Final = 294
"""Change below this is left to the miners: spending it would cost more."""
OVERHEAD_VIRTUAL_BYTES: Final = 11
INPUT_VIRTUAL_BYTES: Final = 68
"""A P2WPKH input with the longest signature."""
OUTPUT_VIRTUAL_BYTES: Final = 43
"""The longest standard output: P2WSH or P2TR."""
FEE_RATE_MAX: Final = 200
"""Satoshi per virtual byte; nothing dearer is ever signed."""


class Coin(NamedTuple):
    """An output that the exchange can spend."""

    txid: str
    vout: int
    amount_sat: int
    account_id: int
    """Whose deposit address it was paid to; 0: our change."""


class Plan(NamedTuple):
    coins: list[Coin]
    fee_sat: int
    change_sat: int
    """0: there is none."""


def measure_payment(inputs: int) -> int:
    """Return the virtual bytes of a payment with so many inputs, one payee and change."""
    return OVERHEAD_VIRTUAL_BYTES + INPUT_VIRTUAL_BYTES * inputs + 2 * OUTPUT_VIRTUAL_BYTES


def plan_payment(coins: Sequence[Coin], sent_sat: int, fee_rate: int) -> Plan | None:
    """Choose coins, largest first, that pay an amount and a fee; None: they are too few.

    Largest first keeps transactions small; small deposits are gathered when they are needed.
    """
    chosen: list[Coin] = []
    for coin in sorted(coins, key=lambda one: (-one.amount_sat, one.txid, one.vout)):
        chosen.append(coin)
        plan = divide(chosen, sent_sat, fee_rate * measure_payment(len(chosen)))
        if plan is not None:
            return plan
    return None


def divide(coins: Sequence[Coin], sent_sat: int, fee_sat: int) -> Plan | None:
    """Split what coins hold into payment, change and fee; None: they hold too little."""
    change_sat = sum(coin.amount_sat for coin in coins) - sent_sat - fee_sat
    if change_sat < 0:
        return None
    if change_sat < DUST_SAT:
        return Plan(list(coins), fee_sat + change_sat, 0)
    return Plan(list(coins), fee_sat, change_sat)
