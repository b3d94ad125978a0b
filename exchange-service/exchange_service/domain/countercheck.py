"""The books kept a second time, by other code, from the facts alone; both must always agree.

What is checked of each command before it is committed, at a cost that does not grow with the
exchange (the names of the invariants are those of `auditing.py`):

I1  what a commit moves adds up to nothing, asset by asset
I2  no user account stands below zero
I3  what an account has locked is what its open orders and withdrawals need
I5  every balance is the sum of its transfers
I6  what an order executed is the sum of its trades
"""

from exchange_service.domain.accounts import FIRST_ACCOUNT, Account
from exchange_service.domain.commands import Asset
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import (
    Fact,
    MatchPrevented,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
    Traded,
)
from exchange_service.domain.ledger import BTC, FREE, Pocket, Transfer


class Unsound(Exception):
    """An invariant does not hold: nothing of this may be committed."""


class Countercheck:
    """Balances by transfers, and open orders by facts."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._balances = {
            number: list(account.balances()) for number, account in exchange.accounts.items()
        }
        self._orders = {
            number: [order.quantity_rao - order.prevented_rao, order.executed_rao]
            for number, order in exchange.orders.items()
        }
        """Of each open order what it may execute, and what it has."""
        totals = [sum(column) for column in zip(*self._balances.values(), strict=True)]
        if totals[0] + totals[1] or totals[2] + totals[3]:
            raise Unsound(f"I1: all BTC and TAO together is {totals}, not nothing")

    def check(
        self, facts: list[Fact], transfers: list[tuple[int, Transfer]], touched: list[int]
    ) -> None:
        """Follow what a commit will write; raise Unsound where the engine says otherwise."""
        for fact in facts:
            self._follow(fact)
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
        if [by_transfers[1], by_transfers[3]] != self._needs(account):
            raise Unsound(f"I3: account {number} has locked what its orders do not need")

    def _needs(self, account: Account) -> list[int]:
        needs = [0, 0]
        for order in account.orders.values():
            needs[0 if order.buying else 1] += order.reserved
        for request in self._exchange.custody.withdrawals.values():
            if request.account_id == account.account_id:
                needs[0 if request.asset is BTC else 1] += request.amount
        return needs

    def _follow(self, fact: Fact) -> None:
        if isinstance(fact, OrderAccepted):
            self._orders[fact.terms.order_id] = [fact.quantity_rao, 0]
        elif isinstance(fact, Traded):
            self._fill(fact.taker_order_id, fact.quantity_rao, fact.taker_leaves_rao)
            self._fill(fact.maker_order_id, fact.quantity_rao, fact.maker_leaves_rao)
        elif isinstance(fact, OrderCancelled | OrderExpired):
            _, executed_rao = self._orders.pop(fact.terms.order_id)
            if executed_rao != fact.executed_rao:
                raise Unsound(f"I6: order {fact.terms.order_id} executed {executed_rao}")
        elif isinstance(fact, OrderAmended):
            self._orders[fact.terms.order_id][0] = fact.quantity_rao - fact.prevented_rao
        elif isinstance(fact, MatchPrevented):
            self._orders[fact.taker_order_id][0] -= fact.taker_rao
            self._orders[fact.maker_order_id][0] -= fact.maker_rao

    def _fill(self, order_id: int, quantity_rao: int, leaves_rao: int) -> None:
        order = self._orders[order_id]
        order[1] += quantity_rao
        if order[0] - order[1] != leaves_rao:
            raise Unsound(f"I6: order {order_id} has {leaves_rao} left of {order}")
        if not leaves_rao:
            del self._orders[order_id]


def _find_column(asset: Asset, pocket: Pocket) -> int:
    """Return where an amount stands among free and locked satoshi, free and locked rao."""
    return (0 if asset is BTC else 2) + (0 if pocket is FREE else 1)
