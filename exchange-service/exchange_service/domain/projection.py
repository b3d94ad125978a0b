"""Facts as rows: what a batch of facts adds to the tables that people and programs ask.

As in `facts.py`, what is made for nearly every command has an `__init__` that mypyc compiles.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from exchange_service.domain.commands import PlaceOrder
from exchange_service.domain.facts import (
    AccountOpened,
    DepositCredited,
    DepositReversed,
    Expiry,
    Fact,
    FeeRatesSet,
    MatchPrevented,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
    OrderTriggered,
    PairDone,
    PairOpened,
    ShortfallMadeUp,
    Traded,
    WithdrawalFailed,
    WithdrawalRequested,
    WithdrawalSettled,
)
from exchange_service.domain.ledger import Transfer, list_transfers


class OrderStatus(StrEnum):
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    """Ended so as not to trade with its own account."""


# An enumeration's members are looked up by a function of Python.
NEW: Final = OrderStatus.NEW
PARTIALLY_FILLED: Final = OrderStatus.PARTIALLY_FILLED
FILLED: Final = OrderStatus.FILLED
CANCELED: Final = OrderStatus.CANCELED


@dataclass(init=False, slots=True)
class OrderRecord:
    """An order as the tables know it, for ever."""

    order_id: int
    account_id: int
    client_order_id: str
    side: str
    kind: str
    time_in_force: str
    self_trade: str
    price_sat: int
    quantity_rao: int
    asked_sat: int
    """For a market order by quote: the quote asked for."""
    executed_rao: int
    executed_sat: int
    status: str
    created_ms: int
    updated_ms: int
    stop_price_sat: int
    iceberg_rao: int
    list_id: int
    """The pair it is a leg of; 0: none."""
    prevented_rao: int
    """Not executed so as not to trade with its own account."""
    working_ms: int
    """When it entered the book; 0: it waits for its trigger, or ended before it came."""

    def __init__(
        self,
        order_id: int,
        account_id: int,
        client_order_id: str,
        side: str,
        kind: str,
        time_in_force: str,
        self_trade: str,
        price_sat: int,
        quantity_rao: int,
        asked_sat: int,
        executed_rao: int,
        executed_sat: int,
        status: str,
        created_ms: int,
        updated_ms: int,
        stop_price_sat: int = 0,
        iceberg_rao: int = 0,
        list_id: int = 0,
        prevented_rao: int = 0,
        working_ms: int = 0,
    ) -> None:
        self.order_id = order_id
        self.account_id = account_id
        self.client_order_id = client_order_id
        self.side = side
        self.kind = kind
        self.time_in_force = time_in_force
        self.self_trade = self_trade
        self.price_sat = price_sat
        self.quantity_rao = quantity_rao
        self.asked_sat = asked_sat
        self.executed_rao = executed_rao
        self.executed_sat = executed_sat
        self.status = status
        self.created_ms = created_ms
        self.updated_ms = updated_ms
        self.stop_price_sat = stop_price_sat
        self.iceberg_rao = iceberg_rao
        self.list_id = list_id
        self.prevented_rao = prevented_rao
        self.working_ms = working_ms


@dataclass(init=False, slots=True)
class OrderChange:
    """What a batch adds to an order that was there before."""

    executed_rao: int
    executed_sat: int
    prevented_rao: int
    amended_rao: int
    """The new total quantity; 0: as it was."""
    client_order_id: str
    """The new name; empty: as it was."""
    status: OrderStatus | None
    working_ms: int
    updated_ms: int

    def __init__(self) -> None:
        self.executed_rao = self.executed_sat = self.prevented_rao = self.amended_rao = 0
        self.client_order_id = ""
        self.status = None
        self.working_ms = self.updated_ms = 0


class Projection:
    """All that a batch of facts changes."""

    def __init__(self) -> None:
        self.orders: dict[int, OrderRecord] = {}
        self.changes: dict[int, OrderChange] = {}
        self.trades: list[Traded] = []
        self.prevented: list[MatchPrevented] = []
        self.amendments: list[OrderAmended] = []
        self.transfers: list[tuple[int, Transfer]] = []
        """With the journal's sequence number of the command behind each."""
        self.pairs: list[PairOpened] = []
        self.pairs_done: list[PairDone] = []
        self.opened: list[AccountOpened] = []
        self.fee_rates: list[FeeRatesSet] = []
        self.deposits: list[DepositCredited] = []
        self.reversed: list[DepositReversed] = []
        self.made_up: list[ShortfallMadeUp] = []
        self.withdrawals: list[WithdrawalRequested] = []
        self.settled: list[WithdrawalSettled] = []
        self.failed: list[WithdrawalFailed] = []

    def record(self, sequence: int, facts: list[Fact]) -> None:
        """Add the facts of one command."""
        for fact in facts:
            self.transfers.extend([(sequence, transfer) for transfer in list_transfers(fact)])
            self.follow(fact)

    def touched_accounts(self) -> set[int]:
        """Return the accounts whose balances the batch has changed."""
        touched = {account for _, row in self.transfers for account in (row[1], row[3])}
        return touched | {opened.account_id for opened in self.opened}

    def follow(self, fact: Fact) -> None:
        """Add a fact, but for its transfers."""
        match fact:
            case OrderAccepted():
                self._accept(fact)
            case Traded():
                self._trade(fact)
            case OrderCancelled():
                self._end(fact.terms.order_id, CANCELED, fact.time_ms)
            case OrderExpired():
                self._end(fact.terms.order_id, status_of(fact), fact.time_ms)
            case OrderTriggered():
                row = self._row(fact.terms.order_id)
                row.working_ms = row.updated_ms = fact.time_ms
            case MatchPrevented():
                self._prevent(fact)
            case OrderAmended():
                self._amend(fact)
            case _:
                self._record_other(fact)

    def _record_other(self, fact: Fact) -> None:
        match fact:
            case PairOpened():
                self.pairs.append(fact)
            case PairDone():
                self.pairs_done.append(fact)
            case AccountOpened():
                self.opened.append(fact)
            case FeeRatesSet():
                self.fee_rates.append(fact)
            case DepositCredited():
                self.deposits.append(fact)
            case DepositReversed():
                self.reversed.append(fact)
            case ShortfallMadeUp():
                self.made_up.append(fact)
            case WithdrawalRequested():
                self.withdrawals.append(fact)
            case WithdrawalSettled():
                self.settled.append(fact)
            case WithdrawalFailed():
                self.failed.append(fact)

    def _row(self, order_id: int) -> OrderRecord | OrderChange:
        """Return what the batch will write of an order: all of it, or what is added."""
        row = self.orders.get(order_id) or self.changes.get(order_id)
        if row is None:
            row = self.changes[order_id] = OrderChange()
        return row

    def _accept(self, fact: OrderAccepted) -> None:
        terms = fact.terms
        self.orders[terms.order_id] = describe_order(
            terms, fact.quantity_rao, 0, 0, 0, NEW, terms.time_ms
        )

    def _trade(self, fact: Traded) -> None:
        self.trades.append(fact)
        for order_id, leaves_rao in (
            (fact.taker_order_id, fact.taker_leaves_rao),
            (fact.maker_order_id, fact.maker_leaves_rao),
        ):
            row = self._row(order_id)
            row.executed_rao += fact.quantity_rao
            row.executed_sat += fact.quote_sat
            row.status = PARTIALLY_FILLED if leaves_rao else FILLED
            row.updated_ms = fact.time_ms

    def _prevent(self, fact: MatchPrevented) -> None:
        self.prevented.append(fact)
        for order_id, prevented_rao in (
            (fact.taker_order_id, fact.taker_rao),
            (fact.maker_order_id, fact.maker_rao),
        ):
            if prevented_rao:
                row = self._row(order_id)
                row.prevented_rao += prevented_rao
                row.updated_ms = fact.time_ms

    def _end(self, order_id: int, status: OrderStatus, time_ms: int) -> None:
        row = self._row(order_id)
        row.status, row.updated_ms = status, time_ms

    def _amend(self, fact: OrderAmended) -> None:
        self.amendments.append(fact)
        row = self._row(fact.terms.order_id)
        row.client_order_id, row.updated_ms = fact.terms.client_order_id, fact.time_ms
        if isinstance(row, OrderRecord):
            row.quantity_rao = fact.quantity_rao
        else:
            row.amended_rao = fact.quantity_rao


def describe_order(
    terms: PlaceOrder,
    quantity_rao: int,
    executed_rao: int,
    executed_sat: int,
    prevented_rao: int,
    status: OrderStatus,
    updated_ms: int,
) -> OrderRecord:
    """Return the record of an order from its terms and what has become of it."""
    return OrderRecord(
        terms.order_id,
        terms.account_id,
        terms.client_order_id,
        terms.side,
        terms.kind,
        terms.time_in_force,
        terms.self_trade,
        terms.price_sat,
        quantity_rao,
        terms.quote_sat,
        executed_rao,
        executed_sat,
        status,
        terms.time_ms,
        updated_ms,
        terms.stop_price_sat,
        terms.iceberg_rao,
        terms.list_id,
        prevented_rao,
        0 if terms.stop_price_sat else terms.time_ms,
    )


def describe_cancelled(fact: OrderCancelled) -> OrderRecord:
    """Return the record of an order that was just cancelled."""
    return describe_order(
        fact.terms,
        fact.quantity_rao,
        fact.executed_rao,
        fact.executed_sat,
        fact.prevented_rao,
        CANCELED,
        fact.time_ms,
    )


def describe_amended(fact: OrderAmended) -> OrderRecord:
    """Return the record of an order that was just made smaller."""
    status = PARTIALLY_FILLED if fact.executed_rao else NEW
    return describe_order(
        fact.terms,
        fact.quantity_rao,
        fact.executed_rao,
        fact.executed_sat,
        fact.prevented_rao,
        status,
        fact.time_ms,
    )


def status_of(fact: OrderExpired) -> OrderStatus:
    """Return how an expired order is called: by why it expired."""
    if fact.expiry is Expiry.SELF_TRADE:
        return OrderStatus.EXPIRED_IN_MATCH
    return OrderStatus.EXPIRED
