"""Double entry: every fact as transfers from one pocket to another, amounts always above zero.

One transfer is balanced by construction. The balances of the engine are kept by other code, in
`matching` and `exchange`: that both agree is the audit, and worth the repetition.
"""

from enum import StrEnum
from typing import NamedTuple

from exchange_service.domain.accounts import BTC_FAUCET, FEES, NETWORK_FEES, WALLETS
from exchange_service.domain.book import BUY
from exchange_service.domain.commands import Asset, PlaceOrder
from exchange_service.domain.facts import (
    AccountOpened,
    DepositCredited,
    Fact,
    NetworkFeeRecorded,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
    Traded,
    WithdrawalFailed,
    WithdrawalRequested,
    WithdrawalSettled,
)

BTC, TAO = Asset.BTC, Asset.TAO


class Pocket(StrEnum):
    FREE = "free"
    """At its owner's disposal."""
    LOCKED = "locked"
    """Kept for an open order or a withdrawal on its way."""


FREE, LOCKED = Pocket.FREE, Pocket.LOCKED


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
    return [transfer for transfer in _transfers(fact) if transfer.amount]


def _transfers(fact: Fact) -> list[Transfer]:
    match fact:
        case OrderAccepted():
            return [_between_pockets(fact.terms, FREE, LOCKED, fact.reserved, "reserve")]
        case Traded():
            return _trade(fact)
        case OrderCancelled() | OrderExpired() | OrderAmended():
            return [_between_pockets(fact.terms, LOCKED, FREE, fact.released, "release")]
        case AccountOpened():
            given = fact.faucet_sat
            account = fact.account_id
            return [Transfer(BTC, BTC_FAUCET, FREE, account, FREE, given, "faucet", account)]
        case DepositCredited(asset=asset, account_id=account, amount=amount):
            height = fact.height
            wallet = WALLETS[asset]
            return [Transfer(asset, wallet, FREE, account, FREE, amount, "deposit", height)]
        case WithdrawalRequested(asset=asset, account_id=account, amount=amount):
            number = fact.withdrawal_id
            return [Transfer(asset, account, FREE, account, LOCKED, amount, "reserve", number)]
        case WithdrawalFailed(asset=asset, account_id=account, amount=amount):
            number = fact.withdrawal_id
            return [Transfer(asset, account, LOCKED, account, FREE, amount, "release", number)]
        case WithdrawalSettled():
            return _settlement(fact)
        case NetworkFeeRecorded(asset=asset, amount=amount, height=height):
            fees, wallet = NETWORK_FEES, WALLETS[asset]
            return [Transfer(asset, fees, FREE, wallet, FREE, amount, "network fee", height)]
        case _:
            return []


def _between_pockets(
    terms: PlaceOrder, source: Pocket, target: Pocket, amount: int, reason: str
) -> Transfer:
    asset = BTC if terms.side is BUY else TAO
    account = terms.account_id
    return Transfer(asset, account, source, account, target, amount, reason, terms.order_id)


def _trade(fact: Traded) -> list[Transfer]:
    buyer, seller = fact.taker_account_id, fact.maker_account_id
    buyer_fee_sat, seller_fee_sat = fact.taker_fee_sat, fact.maker_fee_sat
    if fact.taker_side is not BUY:
        buyer, seller = seller, buyer
        buyer_fee_sat, seller_fee_sat = seller_fee_sat, buyer_fee_sat
    number = fact.trade_id
    return [
        Transfer(TAO, seller, LOCKED, buyer, FREE, fact.quantity_rao, "trade", number),
        Transfer(BTC, buyer, LOCKED, seller, FREE, fact.quote_sat, "trade", number),
        Transfer(BTC, buyer, LOCKED, FEES, FREE, buyer_fee_sat, "fee", number),
        Transfer(BTC, seller, FREE, FEES, FREE, seller_fee_sat, "fee", number),
        Transfer(BTC, buyer, LOCKED, buyer, FREE, fact.released_sat, "release", number),
    ]


def _settlement(fact: WithdrawalSettled) -> list[Transfer]:
    asset, account, number = fact.asset, fact.account_id, fact.withdrawal_id
    sent, wallet, paid = fact.amount - fact.fee, WALLETS[asset], fact.network_fee
    return [
        Transfer(asset, account, LOCKED, wallet, FREE, sent, "withdrawal", number),
        Transfer(asset, account, LOCKED, FEES, FREE, fact.fee, "fee", number),
        Transfer(asset, NETWORK_FEES, FREE, wallet, FREE, paid, "network fee", number),
    ]
