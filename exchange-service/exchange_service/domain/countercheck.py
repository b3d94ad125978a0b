"""The books kept a second time, by other code, from the facts alone; both must always agree.

What is checked of each command before it is committed, at a cost that grows neither with the
exchange nor with an account's open orders; everything is counted when the engine starts, and by an
audit that is asked to (`audit.py`). The names of the invariants are those of `auditing.py`:

I1  what a commit moves adds up to nothing, asset by asset
I2  no user account stands below zero
I3  what an account has locked is what its open orders and withdrawals need
I5  every balance is the sum of its transfers
I6  what an order executed is the sum of its trades
"""

from typing import Final

from exchange_service.domain.accounts import FIRST_ACCOUNT
from exchange_service.domain.commands import Asset, Side
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import (
    Fact,
    MatchPrevented,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
    OrderTriggered,
    Traded,
    WithdrawalFailed,
    WithdrawalRequested,
    WithdrawalSettled,
)
from exchange_service.domain.ledger import BTC, FREE, Pocket, Transfer

NOTHING: Final = [0, 0]


class Unsound(Exception):
    """An invariant does not hold: nothing of this may be committed."""


class OpenOrder:
    """An order that is open, by the facts; what it has locked, by the engine."""

    __slots__ = ("account_id", "buying", "executed_rao", "may_execute_rao", "reserved")

    def __init__(self, account_id: int, buying: bool, may_execute_rao: int) -> None:
        self.account_id = account_id
        self.buying = buying
        self.may_execute_rao = may_execute_rao
        self.executed_rao = 0
        self.reserved = 0


class Countercheck:
    """Balances by transfers, open orders by facts, and what is locked by both."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._balances = {
            number: list(account.balances()) for number, account in exchange.accounts.items()
        }
        self._needs: dict[int, list[int]] = {}
        """What each account's open orders and withdrawals need locked: satoshi and rao."""
        self._orders: dict[int, OpenOrder] = {}
        for number, order in exchange.orders.items():
            may_execute_rao = order.quantity_rao - order.prevented_rao
            found = OpenOrder(order.account.account_id, order.buying, may_execute_rao)
            found.executed_rao = order.executed_rao
            self._orders[number] = found
        self._weigh(set(self._orders))
        for request in exchange.custody.withdrawals.values():
            self._need(request.account_id, request.asset is BTC, request.amount)
        totals = [sum(column) for column in zip(*self._balances.values(), strict=True)]
        if totals[0] + totals[1] or totals[2] + totals[3]:
            raise Unsound(f"I1: all BTC and TAO together is {totals}, not nothing")
        for number in exchange.accounts:
            self._compare(number)

    def check(
        self, facts: list[Fact], transfers: list[tuple[int, Transfer]], touched: list[int]
    ) -> None:
        """Follow what a commit will write; raise Unsound where the engine says otherwise."""
        changed: set[int] = set()
        for fact in facts:
            self._follow(fact, changed)
        self._weigh(changed)
        for _, transfer in transfers:
            self._move(transfer)
        for number in touched:
            self._compare(number)

    def _move(self, transfer: Transfer) -> None:
        asset, source, source_pocket, target, target_pocket, amount, _, _ = transfer
        if amount <= 0:
            raise Unsound(f"I1: a transfer of {amount}")
        balances = self._balances
        balances[source][_find_column(asset, source_pocket)] -= amount
        if target not in balances:
            balances[target] = [0, 0, 0, 0]
        balances[target][_find_column(asset, target_pocket)] += amount

    def _compare(self, number: int) -> None:
        account = self._exchange.accounts[number]
        by_transfers = self._balances.setdefault(number, [0, 0, 0, 0])
        if tuple(by_transfers) != account.balances():
            raise Unsound(f"I5: account {number} has {account.balances()}, moved {by_transfers}")
        if number < FIRST_ACCOUNT:
            return
        if min(by_transfers) < 0:
            raise Unsound(f"I2: account {number} holds less than nothing: {by_transfers}")
        if [by_transfers[1], by_transfers[3]] != self._needs.get(number, NOTHING):
            raise Unsound(f"I3: account {number} has locked what its orders do not need")

    def _follow(self, fact: Fact, changed: set[int]) -> None:
        """Do to the open orders what a fact says; `changed` gets those that it is about."""
        if isinstance(fact, OrderAccepted):
            terms = fact.terms
            order = OpenOrder(terms.account_id, terms.side is Side.BUY, fact.quantity_rao)
            self._orders[terms.order_id] = order
            changed.add(terms.order_id)
        elif isinstance(fact, Traded):
            self._fill(fact.taker_order_id, fact.quantity_rao, fact.taker_leaves_rao, changed)
            self._fill(fact.maker_order_id, fact.quantity_rao, fact.maker_leaves_rao, changed)
        elif isinstance(fact, OrderCancelled | OrderExpired):
            executed_rao = self._close(fact.terms.order_id).executed_rao
            if executed_rao != fact.executed_rao:
                raise Unsound(f"I6: order {fact.terms.order_id} executed {executed_rao}")
        elif isinstance(fact, OrderTriggered):
            changed.add(fact.terms.order_id)
        elif isinstance(fact, OrderAmended):
            may_execute_rao = fact.quantity_rao - fact.prevented_rao
            self._orders[fact.terms.order_id].may_execute_rao = may_execute_rao
            changed.add(fact.terms.order_id)
        elif isinstance(fact, MatchPrevented):
            self._orders[fact.taker_order_id].may_execute_rao -= fact.taker_rao
            self._orders[fact.maker_order_id].may_execute_rao -= fact.maker_rao
            changed.update((fact.taker_order_id, fact.maker_order_id))
        elif isinstance(fact, WithdrawalRequested):
            self._need(fact.account_id, fact.asset is BTC, fact.amount)
        elif isinstance(fact, WithdrawalSettled | WithdrawalFailed):
            self._need(fact.account_id, fact.asset is BTC, -fact.amount)

    def _fill(self, order_id: int, quantity_rao: int, leaves_rao: int, changed: set[int]) -> None:
        order = self._orders[order_id]
        order.executed_rao += quantity_rao
        left_rao = order.may_execute_rao - order.executed_rao
        if left_rao != leaves_rao:
            raise Unsound(f"I6: order {order_id} has {leaves_rao} left, not {left_rao}")
        if leaves_rao:
            changed.add(order_id)
        else:
            self._close(order_id)

    def _close(self, order_id: int) -> OpenOrder:
        order = self._orders.pop(order_id)
        self._need(order.account_id, order.buying, -order.reserved)
        return order

    def _weigh(self, order_ids: set[int]) -> None:
        """Take from the engine what these orders have locked now, those that are still open."""
        for order_id in order_ids:
            order = self._orders.get(order_id)
            if order is None:
                continue
            held = self._exchange.orders.get(order_id)
            if held is None:
                raise Unsound(f"I6: order {order_id} is gone, though nothing ended it")
            self._need(order.account_id, order.buying, held.reserved - order.reserved)
            order.reserved = held.reserved

    def _need(self, account_id: int, in_sat: bool, amount: int) -> None:
        needs = self._needs.get(account_id)
        if needs is None:
            needs = self._needs[account_id] = [0, 0]
        needs[0 if in_sat else 1] += amount


def _find_column(asset: Asset, pocket: Pocket) -> int:
    """Return where an amount stands among free and locked satoshi, free and locked rao."""
    return (0 if asset is BTC else 2) + (0 if pocket is FREE else 1)
