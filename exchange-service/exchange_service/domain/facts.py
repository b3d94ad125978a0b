"""What happened, in the past tense. Every fact carries all the money it moved, so that the ledger,
the tables and the answers to clients are all derived from facts alone.

The facts of nearly every command are classes with an `__init__` of their own, which mypyc makes
fifteen times as fast as it makes a named tuple; the others are named tuples. They hold values and
terms only, so the collector need not know of them (`acyclic`), and one of each kind that is gone is
kept for the next (`free_list_len`): a command's facts are gone when the next command comes.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from mypy_extensions import mypyc_attr

from exchange_service.domain.commands import Asset, PlaceOrder, SelfTrade, Side
from exchange_service.domain.refusals import Reason


class Expiry(StrEnum):
    """Why the exchange itself ended an order."""

    TIME_IN_FORCE = "TIME_IN_FORCE"
    """An IOC or FOK order, or a market order, has a rest that may not stay in the book."""
    SELF_TRADE = "SELF_TRADE"
    """It would have traded with its own account."""
    OTHER_LEG = "OTHER_LEG"
    """The other order of its pair has traded or was triggered."""
    NO_FUNDS = "NO_FUNDS"
    """A buy at any price came out dearer, when triggered, than its account can pay."""


class Half(StrEnum):
    """The two halves of a cancel-replace."""

    CANCEL = "CANCEL"
    ORDER = "ORDER"


@mypyc_attr(acyclic=True, free_list_len=1)
@dataclass(init=False, slots=True)
class Rejected:
    """The command changed nothing; always the first fact, if it is one."""

    reason: Reason

    def __init__(self, reason: Reason) -> None:
        self.reason = reason


class ReplaceRefused(NamedTuple):
    """One half of a cancel-replace was refused.

    After Rejected(CANCEL_REPLACE_FAILED) both were, or the order was not tried; alone, before or
    after the facts of the other half, only this one was.
    """

    half: Half
    reason: Reason
    order: PlaceOrder | None = None
    """The new order that was refused after the old one was cancelled; in no other case."""


class AccountOpened(NamedTuple):
    time_ms: int
    account_id: int
    name: str
    maker_ppm: int
    taker_ppm: int
    faucet_sat: int


class FeeRatesSet(NamedTuple):
    time_ms: int
    account_id: int
    maker_ppm: int
    taker_ppm: int


@mypyc_attr(acyclic=True, free_list_len=1)
@dataclass(init=False, slots=True)
class OrderAccepted:
    """An order entered. What it takes at once is paid from what is free; the facts of that follow.

    A stop order waits outside the book until OrderTriggered.
    """

    terms: PlaceOrder
    quantity_rao: int
    """The quantity ordered; for a market order by quote, what the quote came to."""
    reserved: int
    """Moved from free to locked for what rests or waits: satoshi for a buy, rao for a sale."""

    def __init__(self, terms: PlaceOrder, quantity_rao: int, reserved: int) -> None:
        self.terms = terms
        self.quantity_rao = quantity_rao
        self.reserved = reserved


class OrderTriggered(NamedTuple):
    """The last price reached a stop order: it enters the book as if it arrived now."""

    time_ms: int
    terms: PlaceOrder
    released: int
    """Back from locked to free, all that the waiting order had locked, and then"""
    reserved: int
    """from free to locked, for what rests after the trades that follow."""


@mypyc_attr(acyclic=True, free_list_len=1)
@dataclass(init=False, slots=True)
class Traded:
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
    """Back from locked to free for a maker who buys: a lower fee than was reserved."""

    def __init__(
        self,
        time_ms: int,
        trade_id: int,
        price_sat: int,
        quantity_rao: int,
        quote_sat: int,
        taker_side: Side,
        taker_order_id: int,
        taker_account_id: int,
        taker_leaves_rao: int,
        taker_fee_sat: int,
        maker_order_id: int,
        maker_account_id: int,
        maker_leaves_rao: int,
        maker_fee_sat: int,
        released_sat: int,
    ) -> None:
        self.time_ms = time_ms
        self.trade_id = trade_id
        self.price_sat = price_sat
        self.quantity_rao = quantity_rao
        self.quote_sat = quote_sat
        self.taker_side = taker_side
        self.taker_order_id = taker_order_id
        self.taker_account_id = taker_account_id
        self.taker_leaves_rao = taker_leaves_rao
        self.taker_fee_sat = taker_fee_sat
        self.maker_order_id = maker_order_id
        self.maker_account_id = maker_account_id
        self.maker_leaves_rao = maker_leaves_rao
        self.maker_fee_sat = maker_fee_sat
        self.released_sat = released_sat


class MatchPrevented(NamedTuple):
    """Two orders of one account met and did not trade; OrderExpired follows for what ended."""

    time_ms: int
    prevented_id: int
    account_id: int
    taker_order_id: int
    maker_order_id: int
    price_sat: int
    """The maker's."""
    taker_rao: int
    """By how much the taker shrank; 0 if it was left alone."""
    maker_rao: int
    mode: SelfTrade
    maker_terms: PlaceOrder
    released: int
    """Back from locked to free: satoshi if the maker buys, rao if it sells."""


@mypyc_attr(acyclic=True)
@dataclass(init=False, slots=True)
class OrderEnded:
    """An order is open no longer, and this is what became of it."""

    time_ms: int
    terms: PlaceOrder
    quantity_rao: int
    executed_rao: int
    executed_sat: int
    prevented_rao: int
    """Not executed so as not to trade with its own account."""
    released: int
    """Back from locked to free: satoshi for a buy, rao for a sale."""

    def __init__(
        self,
        time_ms: int,
        terms: PlaceOrder,
        quantity_rao: int,
        executed_rao: int,
        executed_sat: int,
        prevented_rao: int,
        released: int,
    ) -> None:
        self.time_ms = time_ms
        self.terms = terms
        self.quantity_rao = quantity_rao
        self.executed_rao = executed_rao
        self.executed_sat = executed_sat
        self.prevented_rao = prevented_rao
        self.released = released


@mypyc_attr(acyclic=True, free_list_len=1)
@dataclass(init=False, slots=True)
class OrderCancelled(OrderEnded):
    """By its owner, or by the deadline that its owner let pass."""

    cancel_id: str
    """The owner's name of the cancellation; empty: none."""

    def __init__(
        self,
        time_ms: int,
        terms: PlaceOrder,
        quantity_rao: int,
        executed_rao: int,
        executed_sat: int,
        prevented_rao: int,
        released: int,
        cancel_id: str,
    ) -> None:
        OrderEnded.__init__(
            self,
            time_ms,
            terms,
            quantity_rao,
            executed_rao,
            executed_sat,
            prevented_rao,
            released,
        )
        self.cancel_id = cancel_id


@mypyc_attr(acyclic=True, free_list_len=1)
@dataclass(init=False, slots=True)
class OrderExpired(OrderEnded):
    """By the exchange itself."""

    expiry: Expiry

    def __init__(
        self,
        time_ms: int,
        terms: PlaceOrder,
        quantity_rao: int,
        executed_rao: int,
        executed_sat: int,
        prevented_rao: int,
        released: int,
        expiry: Expiry,
    ) -> None:
        OrderEnded.__init__(
            self,
            time_ms,
            terms,
            quantity_rao,
            executed_rao,
            executed_sat,
            prevented_rao,
            released,
        )
        self.expiry = expiry


class OrderAmended(NamedTuple):
    time_ms: int
    terms: PlaceOrder
    """With the client order id that holds from now on."""
    quantity_rao: int
    executed_rao: int
    executed_sat: int
    prevented_rao: int
    released: int
    previous_rao: int
    """The total quantity until now."""
    previous_client_order_id: str


class PairOpened(NamedTuple):
    """Two orders, one of which cancels the other, were accepted; their own facts follow."""

    time_ms: int
    list_id: int
    account_id: int
    client_list_id: str
    order_ids: tuple[int, int]
    """Above, below."""


class PairDone(NamedTuple):
    """No more than one leg of the pair is open any longer."""

    time_ms: int
    list_id: int
    account_id: int
    client_list_id: str


class DeadlineSet(NamedTuple):
    time_ms: int
    account_id: int
    deadline_ms: int
    """0: there is none."""


class DeadlinePassed(NamedTuple):
    """The dead man's switch: the cancellation of the account's orders follows."""

    time_ms: int
    account_id: int


class DepositCredited(NamedTuple):
    time_ms: int
    account_id: int
    asset: Asset
    amount: int
    height: int
    event_index: int
    address: str
    transaction_id: str


class DepositReversed(NamedTuple):
    time_ms: int
    account_id: int
    amount: int
    """Taken back, in satoshi."""
    shortfall: int
    """What was not there to be taken back: until it is, the account withdraws nothing."""
    event_index: int
    transaction_id: str


class ShortfallMadeUp(NamedTuple):
    time_ms: int
    account_id: int
    amount: int


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
    """Kept by the house."""
    network_fee: int = 0
    """Paid by the house to the chain."""


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
    | ReplaceRefused
    | AccountOpened
    | FeeRatesSet
    | OrderAccepted
    | OrderTriggered
    | Traded
    | MatchPrevented
    | OrderCancelled
    | OrderExpired
    | OrderAmended
    | PairOpened
    | PairDone
    | DeadlineSet
    | DeadlinePassed
    | DepositCredited
    | DepositReversed
    | ShortfallMadeUp
    | WithdrawalRequested
    | WithdrawalSettled
    | WithdrawalFailed
    | NetworkFeeRecorded
)
