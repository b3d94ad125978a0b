"""What accounts are told of their orders and balances, in Binance's words.

The facts of a trade name two orders; their reports say all of each order. So this keeps a note of
every open order, made from the same facts.
"""

from collections.abc import Callable, Container
from typing import Final

from exchange_service.domain.commands import Asset
from exchange_service.domain.facts import (
    DepositCredited,
    DepositReversed,
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
    ReplaceRefused,
    ShortfallMadeUp,
    Traded,
    WithdrawalFailed,
    WithdrawalRequested,
)
from exchange_service.domain.state import State
from exchange_service.feed import Commit
from exchange_service.formats import btc, tao
from exchange_service.orders.naming import name_cancellation
from exchange_service.streams.report_events import (
    Event,
    OpenOrder,
    OpenPair,
    list_event,
    order_event,
    position_event,
    prevention_report,
    read_open_order,
    read_open_pair,
    rejection_report,
    trade_report,
)

Movement = (
    DepositCredited | DepositReversed | ShortfallMadeUp | WithdrawalRequested | WithdrawalFailed
)
"""Changes what an account has free, by other means than an order."""
Report = tuple[int, Event]
"""An account and what it is told."""
EXECUTIONS_PER_ENTRY: Final = 100_000
"""Execution ids grow: the journal's sequence times this, plus the event's place in its commit."""
FORGIVEN: Final = {False: 1, True: 5}
"""Orders taken off the count of unfilled ones at an order's first trade, as taker or maker."""


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
                return self._prevent(fact, heard)
            case ReplaceRefused():
                return self._reject(fact, heard)
            case PairOpened():
                self._pairs[fact.list_id] = OpenPair(
                    fact.list_id, fact.client_list_id, fact.order_ids, {}
                )
            case PairDone():
                pair = self._pairs.pop(fact.list_id, None)
                if pair is not None and fact.account_id in heard:
                    return [(fact.account_id, list_event(pair, "ALL_DONE", fact.time_ms))]
            case DepositCredited() | WithdrawalFailed():
                return self._move(fact, fact.asset, fact.amount, heard)
            case WithdrawalRequested():
                return self._move(fact, fact.asset, -fact.amount, heard)
            case DepositReversed() | ShortfallMadeUp():
                # Only Bitcoin takes back. Of what is still owed, nothing has moved.
                return self._move(fact, Asset.BTC, -fact.amount, heard)
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

    def _prevent(self, fact: MatchPrevented, heard: Container[int]) -> list[Report]:
        """Note by how much two orders shrank; of one that ends, the end will tell."""
        reports = []
        for order_id, prevented_rao in (
            (fact.taker_order_id, fact.taker_rao),
            (fact.maker_order_id, fact.maker_rao),
        ):
            order = self._orders.get(order_id)
            if order is None or not prevented_rao:
                continue
            order.prevented_rao += prevented_rao
            order.prevention = fact
            if order.leaves_rao and fact.account_id in heard:
                reports.append((fact.account_id, prevention_report(order, fact.time_ms)))
        return reports

    def _reject(self, fact: ReplaceRefused, heard: Container[int]) -> list[Report]:
        if fact.order is None or fact.order.account_id not in heard:
            return []
        return [(fact.order.account_id, rejection_report(fact.order, fact.reason))]

    def _end(self, fact: OrderCancelled | OrderExpired, heard: Container[int]) -> list[Report]:
        terms = fact.terms
        order = self._orders.pop(terms.order_id, None) or OpenOrder(terms, fact.quantity_rao)
        order.terms = terms
        if terms.account_id not in heard:
            return []
        if isinstance(fact, OrderCancelled):
            event = order_event(order, "CANCELED", fact.time_ms)
            # The cancellation has an id of its own; the order's stands beside it.
            names = {"c": name_cancellation(fact), "C": terms.client_order_id}
            return [(terms.account_id, {**event, "X": "CANCELED", **names, "w": False})]
        if fact.expiry is Expiry.SELF_TRADE:
            event, status = prevention_report(order, fact.time_ms), "EXPIRED_IN_MATCH"
        else:
            event, status = order_event(order, "EXPIRED", fact.time_ms), "EXPIRED"
        return [(terms.account_id, {**event, "X": status, "w": False})]

    def _amend(self, fact: OrderAmended, heard: Container[int]) -> list[Report]:
        order = self._orders[fact.terms.order_id]
        order.terms, order.quantity_rao = fact.terms, fact.quantity_rao
        if fact.terms.account_id not in heard:
            return []
        event = order_event(order, "REPLACED", fact.time_ms)
        return [(fact.terms.account_id, {**event, "C": fact.previous_client_order_id})]

    def _move(
        self, fact: Movement, asset: Asset, amount: int, heard: Container[int]
    ) -> list[Report]:
        if not amount or fact.account_id not in heard:
            return []
        delta = tao(amount) if asset is Asset.TAO else btc(amount)
        event = {"e": "balanceUpdate", "a": asset, "d": delta, "T": fact.time_ms}
        return [(fact.account_id, event)]
