"""What accounts are told of their orders and balances, in Binance's words.

The facts of a trade name two orders; their reports say all of each order. So this keeps a note of
every open order, made from the same facts.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any, Final

from exchange_service.domain.book import Order, Pair
from exchange_service.domain.commands import Asset, PlaceOrder
from exchange_service.domain.facts import (
    DepositCredited,
    Expiry,
    Fact,
    MatchPrevented,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
    OrderTriggered,
    PairDone,
    PairOpened,
    Traded,
    WithdrawalFailed,
    WithdrawalRequested,
)
from exchange_service.domain.state import State
from exchange_service.domain.symbol import QUOTE, SYMBOL
from exchange_service.feed import Commit
from exchange_service.formats import btc, tao
from exchange_service.orders.naming import name_cancellation
from exchange_service.repository import Balance

Event = dict[str, Any]
Report = tuple[int, Event]
"""An account and what it is told."""
EXECUTIONS_PER_ENTRY: Final = 100_000
"""Execution ids grow: the journal's sequence times this, plus the event's place in its commit."""
NO_LIST: Final = -1
TRADED: Final = "TRADE"
FORGIVEN: Final = {False: 1, True: 5}
"""Orders taken off the count of unfilled ones at an order's first trade, as taker or maker."""


@dataclass(slots=True)
class OpenOrder:
    """An order that lives, as its account sees it."""

    terms: PlaceOrder
    quantity_rao: int
    executed_rao: int = 0
    executed_sat: int = 0
    prevented_rao: int = 0
    working_ms: int = 0
    """When it entered the book; 0: it waits for its trigger."""

    @property
    def status(self) -> str:
        if self.executed_rao == 0:
            return "NEW"
        left_rao = self.quantity_rao - self.executed_rao - self.prevented_rao
        return "PARTIALLY_FILLED" if left_rao else "FILLED"


@dataclass(slots=True)
class OpenPair:
    """Two orders of which one cancels the other."""

    list_id: int
    client_list_id: str
    order_ids: tuple[int, ...]
    names: dict[int, str]
    """The client order ids of its legs."""


class Reporter:
    """Keeps note of open orders and turns facts into reports."""

    def __init__(self, state: State, forgive: Callable[[int, int], None]) -> None:
        """`forgive` is told (account, orders) when an order trades for the first time."""
        self._forgive = forgive
        orders, pairs = state.orders.items(), state.pairs.items()
        self._orders = {order_id: read_open_order(order) for order_id, order in orders}
        self._pairs = {list_id: read_open_pair(pair) for list_id, pair in pairs}

    def report(self, commit: Commit, heard: Container[int], now_ms: int) -> list[Report]:
        """Return what the accounts that are `heard` are told of a commit, in its order."""
        reports: list[Report] = []
        first_id = commit.sequence * EXECUTIONS_PER_ENTRY
        for index, fact in enumerate(commit.facts):
            for account_id, event in self._follow(fact, heard):
                numbers = {"E": now_ms, "I": first_id + index} if "x" in event else {"E": now_ms}
                reports.append((account_id, {**event, **numbers}))
        for balance in commit.balances:
            if balance.account_id in heard:
                position = position_event(balance, commit.time_ms, now_ms)
                reports.append((balance.account_id, position))
        return reports

    def _follow(self, fact: Fact, heard: Container[int]) -> list[Report]:
        match fact:
            case OrderAccepted():
                return self._accept(fact, heard)
            case Traded():
                return self._trade(fact, heard)
            case OrderTriggered():
                return self._trigger(fact, heard)
            case OrderCancelled() | OrderExpired():
                return self._end(fact, heard)
            case OrderAmended():
                return self._amend(fact, heard)
            case MatchPrevented():
                self._prevent(fact)
            case PairOpened():
                self._pairs[fact.list_id] = OpenPair(
                    fact.list_id, fact.client_list_id, fact.order_ids, {}
                )
            case PairDone():
                pair = self._pairs.pop(fact.list_id, None)
                if pair is not None and fact.account_id in heard:
                    return [(fact.account_id, list_event(pair, "ALL_DONE", fact.time_ms))]
            case DepositCredited():
                return self._move(fact, fact.amount, heard)
            case WithdrawalRequested():
                return self._move(fact, -fact.amount, heard)
            case WithdrawalFailed():
                return self._move(fact, fact.amount, heard)
        return []

    def _accept(self, fact: OrderAccepted, heard: Container[int]) -> list[Report]:
        terms = fact.terms
        working_ms = 0 if terms.stop_price_sat else terms.time_ms
        order = OpenOrder(terms, fact.quantity_rao, working_ms=working_ms)
        self._orders[terms.order_id] = order
        reports = []
        if terms.account_id in heard:
            reports.append((terms.account_id, order_event(order, "NEW", terms.time_ms)))
        pair = self._pairs.get(terms.list_id)
        if pair is not None:
            pair.names[terms.order_id] = terms.client_order_id
            if len(pair.names) == len(pair.order_ids) and terms.account_id in heard:
                reports.append((terms.account_id, list_event(pair, "EXECUTING", terms.time_ms)))
        return reports

    def _trigger(self, fact: OrderTriggered, heard: Container[int]) -> list[Report]:
        order = self._orders[fact.terms.order_id]
        order.working_ms = fact.time_ms
        if fact.terms.account_id not in heard:
            return []
        return [(fact.terms.account_id, order_event(order, "NEW", fact.time_ms))]

    def _trade(self, fact: Traded, heard: Container[int]) -> list[Report]:
        reports = []
        for order_id, fee_sat, is_maker in (
            (fact.taker_order_id, fact.taker_fee_sat, False),
            (fact.maker_order_id, fact.maker_fee_sat, True),
        ):
            order = self._orders[order_id]
            if not order.executed_rao:
                self._forgive(order.terms.account_id, FORGIVEN[is_maker])
            order.executed_rao += fact.quantity_rao
            order.executed_sat += fact.quote_sat
            if order.terms.account_id in heard:
                event = trade_report(order, fact, fee_sat, is_maker)
                reports.append((order.terms.account_id, event))
            if order.status == "FILLED":
                del self._orders[order_id]
        return reports

    def _prevent(self, fact: MatchPrevented) -> None:
        for order_id, prevented_rao in (
            (fact.taker_order_id, fact.taker_rao),
            (fact.maker_order_id, fact.maker_rao),
        ):
            if order_id in self._orders:
                self._orders[order_id].prevented_rao += prevented_rao

    def _end(self, fact: OrderCancelled | OrderExpired, heard: Container[int]) -> list[Report]:
        terms = fact.terms
        order = self._orders.pop(terms.order_id, None) or OpenOrder(terms, fact.quantity_rao)
        order.terms = terms
        if terms.account_id not in heard:
            return []
        if isinstance(fact, OrderCancelled):
            event = order_event(order, "CANCELED", fact.time_ms)
            # The cancellation has an id of its own; the order's stands beside it.
            names = {"c": name_cancellation(terms.order_id), "C": terms.client_order_id}
            return [(terms.account_id, {**event, "X": "CANCELED", **names, "w": False})]
        by_itself = fact.expiry is Expiry.SELF_TRADE
        event = order_event(order, "TRADE_PREVENTION" if by_itself else "EXPIRED", fact.time_ms)
        status = "EXPIRED_IN_MATCH" if by_itself else "EXPIRED"
        return [(terms.account_id, {**event, "X": status, "w": False})]

    def _amend(self, fact: OrderAmended, heard: Container[int]) -> list[Report]:
        order = self._orders[fact.terms.order_id]
        order.terms, order.quantity_rao = fact.terms, fact.quantity_rao
        if fact.terms.account_id not in heard:
            return []
        event = order_event(order, "REPLACED", fact.time_ms)
        return [(fact.terms.account_id, {**event, "C": fact.previous_client_order_id})]

    def _move(
        self,
        fact: DepositCredited | WithdrawalRequested | WithdrawalFailed,
        amount: int,
        heard: Container[int],
    ) -> list[Report]:
        if fact.account_id not in heard:
            return []
        delta = tao(amount) if fact.asset is Asset.TAO else btc(amount)
        event = {"e": "balanceUpdate", "a": fact.asset, "d": delta, "T": fact.time_ms}
        return [(fact.account_id, event)]


def read_open_order(order: Order) -> OpenOrder:
    """Return the note of an order that was open when the exchange started."""
    terms = order.terms
    return OpenOrder(
        terms,
        order.quantity_rao,
        order.executed_rao,
        order.executed_sat,
        order.prevented_rao,
        working_ms=0 if order.level is None else terms.time_ms,
    )


def read_open_pair(pair: Pair) -> OpenPair:
    """Return the note of a pair that was open when the exchange started."""
    legs = [leg.terms for leg in (pair.above, pair.below)]
    names = {leg.order_id: leg.client_order_id for leg in legs}
    return OpenPair(pair.list_id, pair.client_list_id, tuple(names), names)


def order_event(order: OpenOrder, execution: str, time_ms: int) -> Event:
    """Return a report that says how an order stands; nothing was traded just now."""
    terms = order.terms
    event = {
        "e": "executionReport",
        "s": SYMBOL,
        "c": terms.client_order_id,
        "S": terms.side,
        "o": terms.kind,
        "f": terms.time_in_force,
        "q": tao(order.quantity_rao),
        "p": btc(terms.price_sat),
        "P": btc(terms.stop_price_sat),
        "F": tao(terms.iceberg_rao),
        "g": terms.list_id or NO_LIST,
        "C": "",
        "x": execution,
        "X": order.status,
        "r": "NONE",
        "i": terms.order_id,
        "l": tao(0),
        "z": tao(order.executed_rao),
        "L": btc(0),
        "n": "0",
        "N": None,
        "T": time_ms,
        "t": -1,
        "w": order.working_ms > 0 and order.status != "FILLED",
        "m": False,
        "M": False,
        "O": terms.time_ms,
        "Z": btc(order.executed_sat),
        "Y": btc(0),
        "Q": btc(terms.quote_sat),
        "V": terms.self_trade,
    }
    if order.working_ms:
        event["W"] = order.working_ms
    if order.prevented_rao:
        event["B"] = tao(order.prevented_rao)
    return event


def trade_report(order: OpenOrder, trade: Traded, fee_sat: int, is_maker: bool) -> Event:
    return {
        **order_event(order, TRADED, trade.time_ms),
        "l": tao(trade.quantity_rao),
        "L": btc(trade.price_sat),
        "n": btc(fee_sat),
        "N": QUOTE,
        "t": trade.trade_id,
        "m": is_maker,
        "M": True,
        "Y": btc(trade.quote_sat),
    }


def position_event(balance: Balance, time_ms: int, now_ms: int) -> Event:
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": time_ms,
        "B": [
            {"a": Asset.BTC, "f": btc(balance.free_sat), "l": btc(balance.locked_sat)},
            {"a": Asset.TAO, "f": tao(balance.free_rao), "l": tao(balance.locked_rao)},
        ],
    }


def list_event(pair: OpenPair, status: str, time_ms: int) -> Event:
    started = status == "EXECUTING"
    return {
        "e": "listStatus",
        "s": SYMBOL,
        "g": pair.list_id,
        "c": "OCO",
        "l": "EXEC_STARTED" if started else "ALL_DONE",
        "L": status,
        "r": "NONE",
        "C": pair.client_list_id,
        "T": time_ms,
        "O": [
            {"s": SYMBOL, "i": order_id, "c": pair.names.get(order_id, "")}
            for order_id in pair.order_ids
        ],
    }
