"""What happened, in the past tense. Every fact carries all the money it moved, so that the ledger,
the tables and the answers to clients are all derived from facts alone."""

from enum import StrEnum
from typing import NamedTuple

from exchange_service.domain.commands import Asset, PlaceOrder, Side
from exchange_service.domain.refusals import Reason


class Expiry(StrEnum):
    """Why the exchange itself ended an order."""

    TIME_IN_FORCE = "TIME_IN_FORCE"
    """An IOC or FOK order, or a market order, has a rest that may not stay in the book."""
    SELF_TRADE = "SELF_TRADE"
    """It would have traded with its own account."""


class Rejected(NamedTuple):
    """The command changed nothing."""

    reason: Reason


class AccountOpened(NamedTuple):
    time_ms: int
    account_id: int
    name: str
    maker_ppm: int
    taker_ppm: int
    faucet_sat: int


class OrderAccepted(NamedTuple):
    terms: PlaceOrder
    quantity_rao: int
    """The quantity ordered; for a market order by quote, what the quote came to."""
    reserved: int
    """Moved from free to locked: satoshi for a buy, rao for a sale."""


class Traded(NamedTuple):
    time_ms: int
    trade_id: int
    price_sat: int
    """Always the maker's price."""
    quantity_rao: int
    quote_sat: int
    taker_side: Side
    taker_order_id: int
    taker_account_id: int
    taker_leaves_rao: int
    taker_fee_sat: int
    maker_order_id: int
    maker_account_id: int
    maker_leaves_rao: int
    maker_fee_sat: int
    released_sat: int
    """Back from locked to free for the buyer: a better price, a lower fee than was reserved."""


class OrderCancelled(NamedTuple):
    time_ms: int
    terms: PlaceOrder
    quantity_rao: int
    executed_rao: int
    executed_sat: int
    released: int
    """Back from locked to free: satoshi for a buy, rao for a sale."""


class OrderExpired(NamedTuple):
    time_ms: int
    terms: PlaceOrder
    quantity_rao: int
    executed_rao: int
    executed_sat: int
    released: int
    expiry: Expiry


class OrderAmended(NamedTuple):
    time_ms: int
    terms: PlaceOrder
    quantity_rao: int
    released: int


class DepositCredited(NamedTuple):
    time_ms: int
    account_id: int
    asset: Asset
    amount: int
    height: int
    event_index: int
    address: str
    transaction_id: str


class WithdrawalRequested(NamedTuple):
    time_ms: int
    withdrawal_id: int
    account_id: int
    asset: Asset
    amount: int
    fee: int
    address: str
    client_withdrawal_id: str


class WithdrawalSettled(NamedTuple):
    time_ms: int
    withdrawal_id: int
    account_id: int
    asset: Asset
    amount: int
    fee: int


class WithdrawalFailed(NamedTuple):
    time_ms: int
    withdrawal_id: int
    account_id: int
    asset: Asset
    amount: int


class NetworkFeeRecorded(NamedTuple):
    time_ms: int
    asset: Asset
    amount: int
    height: int
    event_index: int


Fact = (
    Rejected
    | AccountOpened
    | OrderAccepted
    | Traded
    | OrderCancelled
    | OrderExpired
    | OrderAmended
    | DepositCredited
    | WithdrawalRequested
    | WithdrawalSettled
    | WithdrawalFailed
    | NetworkFeeRecorded
)
