"""Facts as rows: what a batch of facts adds to the tables that people and programs ask."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from exchange_service.domain.commands import PlaceOrder
from exchange_service.domain.facts import (
    AccountOpened,
    DepositCredited,
    Expiry,
    Fact,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
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


@dataclass(slots=True, frozen=True)
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


@dataclass(slots=True)
class OrderChange:
    """What a batch adds to an order that was there before."""

    executed_rao: int = 0
    executed_sat: int = 0
    amended_rao: int = 0
    """The new total quantity; 0: as it was."""
    status: OrderStatus | None = None
    updated_ms: int = 0


@dataclass(slots=True)
class Projection:
    """All that a batch of facts changes."""

    orders: dict[int, OrderRecord] = field(default_factory=dict)
    changes: dict[int, OrderChange] = field(default_factory=dict)
    trades: list[Traded] = field(default_factory=list)
    transfers: list[tuple[int, Transfer]] = field(default_factory=list)
    """With the journal's sequence number of the command behind each."""
    opened: list[AccountOpened] = field(default_factory=list)
    deposits: list[DepositCredited] = field(default_factory=list)
    withdrawals: list[WithdrawalRequested] = field(default_factory=list)
    settled: list[WithdrawalSettled] = field(default_factory=list)
    failed: list[WithdrawalFailed] = field(default_factory=list)

    def record(self, sequence: int, facts: list[Fact]) -> None:
        """Add the facts of one command."""
        for fact in facts:
            self.transfers.extend((sequence, transfer) for transfer in list_transfers(fact))
            self._record(fact)

    def touched_accounts(self) -> set[int]:
        """Return the accounts whose balances the batch has changed."""
        touched = {account for _, row in self.transfers for account in (row[1], row[3])}
        return touched | {opened.account_id for opened in self.opened}

    def _record(self, fact: Fact) -> None:
        match fact:
            case OrderAccepted():
                self.orders[fact.terms.order_id] = describe_order(
                    fact.terms, fact.quantity_rao, 0, 0, OrderStatus.NEW, fact.terms.time_ms
                )
            case Traded():
                self._trade(fact)
            case OrderCancelled():
                self._end(fact.terms.order_id, OrderStatus.CANCELED, fact.time_ms)
            case OrderExpired():
                self._end(fact.terms.order_id, status_of(fact), fact.time_ms)
            case OrderAmended():
                self._amend(fact.terms.order_id, fact.quantity_rao, fact.time_ms)
            case AccountOpened():
                self.opened.append(fact)
            case DepositCredited():
                self.deposits.append(fact)
            case WithdrawalRequested():
                self.withdrawals.append(fact)
            case WithdrawalSettled():
                self.settled.append(fact)
            case WithdrawalFailed():
                self.failed.append(fact)

    def _trade(self, fact: Traded) -> None:
        self.trades.append(fact)
        for order_id, leaves_rao in (
            (fact.taker_order_id, fact.taker_leaves_rao),
            (fact.maker_order_id, fact.maker_leaves_rao),
        ):
            status = OrderStatus.PARTIALLY_FILLED if leaves_rao else OrderStatus.FILLED
            if (order := self.orders.get(order_id)) is not None:
                self.orders[order_id] = replace(
                    order,
                    executed_rao=order.executed_rao + fact.quantity_rao,
                    executed_sat=order.executed_sat + fact.quote_sat,
                    status=status,
                    updated_ms=fact.time_ms,
                )
                continue
            change = self.changes.setdefault(order_id, OrderChange())
            change.executed_rao += fact.quantity_rao
            change.executed_sat += fact.quote_sat
            change.status, change.updated_ms = status, fact.time_ms

    def _end(self, order_id: int, status: OrderStatus, time_ms: int) -> None:
        if (order := self.orders.get(order_id)) is not None:
            self.orders[order_id] = replace(order, status=status, updated_ms=time_ms)
            return
        change = self.changes.setdefault(order_id, OrderChange())
        change.status, change.updated_ms = status, time_ms

    def _amend(self, order_id: int, quantity_rao: int, time_ms: int) -> None:
        if (order := self.orders.get(order_id)) is not None:
            self.orders[order_id] = replace(order, quantity_rao=quantity_rao, updated_ms=time_ms)
            return
        change = self.changes.setdefault(order_id, OrderChange())
        change.amended_rao, change.updated_ms = quantity_rao, time_ms


def describe_order(
    terms: PlaceOrder,
    quantity_rao: int,
    executed_rao: int,
    executed_sat: int,
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
    )


def describe_cancelled(fact: OrderCancelled) -> OrderRecord:
    """Return the record of an order that was just cancelled."""
    return describe_order(
        fact.terms,
        fact.quantity_rao,
        fact.executed_rao,
        fact.executed_sat,
        OrderStatus.CANCELED,
        fact.time_ms,
    )


def status_of(fact: OrderExpired) -> OrderStatus:
    """Return how an expired order is called: by why it expired."""
    if fact.expiry is Expiry.SELF_TRADE:
        return OrderStatus.EXPIRED_IN_MATCH
    return OrderStatus.EXPIRED
