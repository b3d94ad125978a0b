"""Double entry: every fact as transfers from one pocket to another, amounts always above zero.

One transfer is balanced by construction. The balances of the engine are kept by other code, in
`matching` and `exchange`: that both agree is the audit, and worth the repetition.
"""

import hashlib
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, NamedTuple

from exchange_service.domain.accounts import BTC_FAUCET, FEES, NETWORK_FEES, WALLETS
from exchange_service.domain.book import BUY
from exchange_service.domain.commands import Asset, PlaceOrder
from exchange_service.domain.facts import (
    AccountOpened,
    DepositCredited,
    DepositReversed,
    Fact,
    MatchPrevented,
    NetworkFeeRecorded,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
    OrderTriggered,
    ShortfallMadeUp,
    Traded,
    WithdrawalFailed,
    WithdrawalRequested,
    WithdrawalSettled,
)

BTC: Final = Asset.BTC
TAO: Final = Asset.TAO


class Pocket(StrEnum):
    FREE = "free"
    """At its owner's disposal."""
    LOCKED = "locked"
    """Kept for an open order or a withdrawal on its way."""


FREE: Final = Pocket.FREE
LOCKED: Final = Pocket.LOCKED


class Transfer(NamedTuple):
    asset: Asset
    source_account: int
    source_pocket: Pocket
    target_account: int
    target_pocket: Pocket
    amount: int
    """Satoshi or rao, above zero."""
    reason: str
    reference: int
    """The order, trade, withdrawal or block that the reason speaks of."""


def list_transfers(fact: Fact) -> list[Transfer]:
    """Return the transfers that a fact stands for, without empty ones."""
    write = _WRITERS.get(type(fact))
    return [transfer for transfer in write(fact) if transfer[5]] if write else []


def write_lines(transfers: list[tuple[int, Transfer]]) -> str:
    """Return transfers as the ledger stores and seals them: a line each, a tab between fields."""
    return "".join(
        [
            f"{sequence}\t{asset}\t{source}\t{source_pocket}\t{target}\t{target_pocket}"
            f"\t{amount}\t{reason}\t{reference}\n"
            for sequence, (
                asset,
                source,
                source_pocket,
                target,
                target_pocket,
                amount,
                reason,
                reference,
            ) in transfers
        ]
    )


def seal_lines(previous_hash: bytes, lines: str) -> bytes:
    """Return SHA-256 of the seal before and the lines of a commit."""
    return hashlib.sha256(previous_hash + lines.encode()).digest()


def _accept(fact: OrderAccepted) -> list[Transfer]:
    return _between_pockets(fact.terms, FREE, LOCKED, fact.reserved, "reserve")


def _trigger(fact: OrderTriggered) -> list[Transfer]:
    released = _between_pockets(fact.terms, LOCKED, FREE, fact.released, "release")
    return released + _between_pockets(fact.terms, FREE, LOCKED, fact.reserved, "reserve")


def _release(fact: OrderCancelled | OrderExpired | OrderAmended) -> list[Transfer]:
    return _between_pockets(fact.terms, LOCKED, FREE, fact.released, "release")


def _prevent(fact: MatchPrevented) -> list[Transfer]:
    return _between_pockets(fact.maker_terms, LOCKED, FREE, fact.released, "release")


def _between_pockets(
    terms: PlaceOrder, source: Pocket, target: Pocket, amount: int, reason: str
) -> list[Transfer]:
    if not amount:  # As for each order that does not rest; an empty one would be thrown away.
        return []
    asset = BTC if terms.side is BUY else TAO
    account = terms.account_id
    return [Transfer(asset, account, source, account, target, amount, reason, terms.order_id)]


def _trade(fact: Traded) -> list[Transfer]:
    """The taker pays from what is free, the maker from what is locked."""
    number, maker, taker = fact.trade_id, fact.maker_account_id, fact.taker_account_id
    if fact.taker_side is BUY:
        return [
            Transfer(TAO, maker, LOCKED, taker, FREE, fact.quantity_rao, "trade", number),
            Transfer(BTC, taker, FREE, maker, FREE, fact.quote_sat, "trade", number),
            Transfer(BTC, taker, FREE, FEES, FREE, fact.taker_fee_sat, "fee", number),
            Transfer(BTC, maker, FREE, FEES, FREE, fact.maker_fee_sat, "fee", number),
        ]
    return [
        Transfer(TAO, taker, FREE, maker, FREE, fact.quantity_rao, "trade", number),
        Transfer(BTC, maker, LOCKED, taker, FREE, fact.quote_sat, "trade", number),
        Transfer(BTC, maker, LOCKED, FEES, FREE, fact.maker_fee_sat, "fee", number),
        Transfer(BTC, taker, FREE, FEES, FREE, fact.taker_fee_sat, "fee", number),
        Transfer(BTC, maker, LOCKED, maker, FREE, fact.released_sat, "release", number),
    ]


def _open_account(fact: AccountOpened) -> list[Transfer]:
    account = fact.account_id
    return [Transfer(BTC, BTC_FAUCET, FREE, account, FREE, fact.faucet_sat, "faucet", account)]


def _credit(fact: DepositCredited) -> list[Transfer]:
    account, height, wallet = fact.account_id, fact.height, WALLETS[fact.asset]
    return [Transfer(fact.asset, wallet, FREE, account, FREE, fact.amount, "deposit", height)]


def _reverse(fact: DepositReversed) -> list[Transfer]:
    return _take_back(fact.account_id, fact.amount, "reversal")


def _make_up(fact: ShortfallMadeUp) -> list[Transfer]:
    return _take_back(fact.account_id, fact.amount, "shortfall")


def _take_back(account: int, amount: int, reason: str) -> list[Transfer]:
    return [Transfer(BTC, account, FREE, WALLETS[BTC], FREE, amount, reason, account)]


def _reserve_withdrawal(fact: WithdrawalRequested) -> list[Transfer]:
    account, number = fact.account_id, fact.withdrawal_id
    return [Transfer(fact.asset, account, FREE, account, LOCKED, fact.amount, "reserve", number)]


def _release_withdrawal(fact: WithdrawalFailed) -> list[Transfer]:
    account, number = fact.account_id, fact.withdrawal_id
    return [Transfer(fact.asset, account, LOCKED, account, FREE, fact.amount, "release", number)]


def _pay_network(fact: NetworkFeeRecorded) -> list[Transfer]:
    fees, wallet = NETWORK_FEES, WALLETS[fact.asset]
    return [Transfer(fact.asset, fees, FREE, wallet, FREE, fact.amount, "network fee", fact.height)]


def _settle(fact: WithdrawalSettled) -> list[Transfer]:
    asset, account, number = fact.asset, fact.account_id, fact.withdrawal_id
    sent, wallet, paid = fact.amount - fact.fee, WALLETS[asset], fact.network_fee
    return [
        Transfer(asset, account, LOCKED, wallet, FREE, sent, "withdrawal", number),
        Transfer(asset, account, LOCKED, FEES, FREE, fact.fee, "fee", number),
        Transfer(asset, NETWORK_FEES, FREE, wallet, FREE, paid, "network fee", number),
    ]


# Any: each writer takes its own fact, which the key says and a type cannot.
_WRITERS: Final[dict[type, Callable[[Any], list[Transfer]]]] = {
    OrderAccepted: _accept,
    OrderTriggered: _trigger,
    Traded: _trade,
    MatchPrevented: _prevent,
    OrderCancelled: _release,
    OrderExpired: _release,
    OrderAmended: _release,
    AccountOpened: _open_account,
    DepositCredited: _credit,
    DepositReversed: _reverse,
    ShortfallMadeUp: _make_up,
    WithdrawalRequested: _reserve_withdrawal,
    WithdrawalFailed: _release_withdrawal,
    WithdrawalSettled: _settle,
    NetworkFeeRecorded: _pay_network,
}
