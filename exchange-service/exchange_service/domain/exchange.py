"""The exchange as one value: accounts, order book, pending withdrawals. Commands in, facts out.

`Exchange.apply` is the only thing that changes it. There is no clock and no chance inside: the
same commands give the same facts and the same state, which is what recovery stands on.
"""

from collections.abc import Callable
from typing import Any

from exchange_service.domain.accounts import (
    FEES,
    FIRST_ACCOUNT,
    Account,
)
from exchange_service.domain.admission import check_terms, plan_order
from exchange_service.domain.book import BUY, SELL, Order, OrderBook
from exchange_service.domain.commands import (
    AmendOrder,
    Asset,
    CancelAllOrders,
    CancelOrder,
    Command,
    CreditDeposit,
    FailWithdrawal,
    Kind,
    OpenAccount,
    PlaceOrder,
    RecordNetworkFee,
    RequestWithdrawal,
    SelfTrade,
    SettleWithdrawal,
    TimeInForce,
)
from exchange_service.domain.custody import Custody
from exchange_service.domain.facts import (
    Expiry,
    Fact,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
    Rejected,
)
from exchange_service.domain.matching import calculate_fillable, find_maker, trade
from exchange_service.domain.refusals import (
    AMEND_NOT_SMALLER,
    DUPLICATE_ORDER,
    INSUFFICIENT_BALANCE,
    LOT_SIZE,
    MAX_NUM_ORDERS,
    UNKNOWN_ACCOUNT,
    UNKNOWN_ORDER,
    WOULD_TAKE,
    Reason,
)
from exchange_service.domain.symbol import OPEN_ORDERS_MAX, STEP_RAO


class Exchange:
    """Books and balances in memory, for a single writer."""

    def __init__(self) -> None:
        self.custody = Custody()
        self.accounts = self.custody.accounts
        self.book = OrderBook()
        self.orders: dict[int, Order] = {}
        """Open orders by id."""
        self.last_price_sat = 0
        self.last_trade_id = 0
        self.last_order_id = 0
        # Any: each handler takes its own command, which the key says and a type cannot.
        self._handlers: dict[type, Callable[[Any], list[Fact]]] = {
            OpenAccount: self.custody.open_account,
            PlaceOrder: self._place_order,
            CancelOrder: self._cancel_order,
            CancelAllOrders: self._cancel_all_orders,
            AmendOrder: self._amend_order,
            CreditDeposit: self.custody.credit_deposit,
            RequestWithdrawal: self.custody.request_withdrawal,
            SettleWithdrawal: self.custody.settle_withdrawal,
            FailWithdrawal: self.custody.fail_withdrawal,
            RecordNetworkFee: self.custody.record_network_fee,
        }

    def apply(self, command: Command) -> list[Fact]:
        """Do what the command says and return what happened; a rejection changes nothing."""
        return self._handlers[type(command)](command)

    # Orders

    def _place_order(self, terms: PlaceOrder) -> list[Fact]:
        account = self.accounts.get(terms.account_id)
        if account is None or terms.account_id < FIRST_ACCOUNT:
            return [Rejected(UNKNOWN_ACCOUNT)]
        if (reason := self._check_order(account, terms)) is not None:
            return [Rejected(reason)]
        order, needed = plan_order(self.book, account, terms)
        asset = Asset.BTC if terms.side is BUY else Asset.TAO
        if account.free(asset) < needed:
            return [Rejected(INSUFFICIENT_BALANCE)]

        account.add_free(asset, -order.reserved)
        account.add_locked(asset, order.reserved)
        self.last_order_id = max(self.last_order_id, terms.order_id)
        facts: list[Fact] = [OrderAccepted(terms, order.quantity_rao, order.reserved)]
        expiry = self._match(account, order, facts)
        if order.leaves_rao or not order.quantity_rao:
            if expiry is None and terms.time_in_force is TimeInForce.GTC and terms.price_sat:
                self._rest(account, order)
            else:
                facts.append(self._expire(account, order, expiry, terms.time_ms))
        return facts

    def _check_order(self, account: Account, terms: PlaceOrder) -> Reason | None:
        if (reason := check_terms(terms, self.last_price_sat)) is not None:
            return reason
        if terms.client_order_id in account.orders:
            return DUPLICATE_ORDER
        if len(account.orders) >= OPEN_ORDERS_MAX:
            return MAX_NUM_ORDERS
        opposite = self.book.asks if terms.side is BUY else self.book.bids
        if terms.kind is Kind.LIMIT_MAKER and find_maker(opposite, terms) is not None:
            return WOULD_TAKE
        return None

    def _match(self, account: Account, order: Order, facts: list[Fact]) -> Expiry | None:
        """Trade the order against the book; return why its rest must expire, if it must."""
        terms = order.terms
        opposite = self.book.asks if terms.side is BUY else self.book.bids
        if terms.time_in_force is TimeInForce.FOK:
            fillable = calculate_fillable(self.book, terms, order.quantity_rao, None)
            if fillable.quantity_rao < order.quantity_rao:
                return Expiry.TIME_IN_FORCE
        while order.leaves_rao and (maker := find_maker(opposite, terms)) is not None:
            maker_account = self.accounts[maker.terms.account_id]
            if maker_account is account and terms.self_trade is not SelfTrade.NONE:
                if terms.self_trade is not SelfTrade.EXPIRE_TAKER:
                    self._unrest(account, maker)
                    facts.append(self._expire(account, maker, Expiry.SELF_TRADE, terms.time_ms))
                if terms.self_trade is not SelfTrade.EXPIRE_MAKER:
                    return Expiry.SELF_TRADE
                continue
            self._trade(account, order, maker_account, maker, facts)
        return None

    def _trade(
        self,
        account: Account,
        order: Order,
        maker_account: Account,
        maker: Order,
        facts: list[Fact],
    ) -> None:
        self.last_trade_id += 1
        traded = trade(
            order, maker, account, maker_account, self.accounts[FEES], self.last_trade_id
        )
        self.last_price_sat = traded.price_sat
        side = self.book.side(maker.terms.side)
        side.levels[traded.price_sat].quantity_rao -= traded.quantity_rao
        if maker.leaves_rao == 0:
            self._unrest(maker_account, maker)
        else:
            self.book.touch(maker.terms.side, traded.price_sat)
        facts.append(traded)

    def _rest(self, account: Account, order: Order) -> None:
        terms = order.terms
        self.orders[terms.order_id] = order
        account.orders[terms.client_order_id] = order
        self.book.side(terms.side).add(order)
        self.book.touch(terms.side, terms.price_sat)

    def _unrest(self, account: Account, order: Order) -> None:
        terms = order.terms
        del self.orders[terms.order_id]
        del account.orders[terms.client_order_id]
        self.book.side(terms.side).remove(order)
        self.book.touch(terms.side, terms.price_sat)

    def _release(self, account: Account, order: Order) -> int:
        """Give back what is still locked for an order that has ended."""
        released, order.reserved = order.reserved, 0
        asset = Asset.BTC if order.terms.side is BUY else Asset.TAO
        account.add_locked(asset, -released)
        account.add_free(asset, released)
        return released

    def _expire(
        self, account: Account, order: Order, expiry: Expiry | None, time_ms: int
    ) -> OrderExpired:
        return OrderExpired(
            time_ms,
            order.terms,
            order.quantity_rao,
            order.executed_rao,
            order.executed_sat,
            0,
            self._release(account, order),
            expiry or Expiry.TIME_IN_FORCE,
        )

    def _cancel(self, account: Account, order: Order, time_ms: int) -> OrderCancelled:
        self._unrest(account, order)
        return OrderCancelled(
            time_ms,
            order.terms,
            order.quantity_rao,
            order.executed_rao,
            order.executed_sat,
            0,
            self._release(account, order),
        )

    def _find_open(self, account_id: int, order_id: int, client_order_id: str) -> Order | None:
        """Return the account's open order that the given ids, one or both, agree on."""
        account = self.accounts.get(account_id)
        if account is None:
            return None
        order = self.orders.get(order_id) if order_id else account.orders.get(client_order_id)
        if order is None or order.terms.account_id != account_id:
            return None
        if client_order_id and order.terms.client_order_id != client_order_id:
            return None
        return order

    def _cancel_order(self, command: CancelOrder) -> list[Fact]:
        order = self._find_open(command.account_id, command.order_id, command.client_order_id)
        if order is None:
            return [Rejected(UNKNOWN_ORDER)]
        return [self._cancel(self.accounts[command.account_id], order, command.time_ms)]

    def _cancel_all_orders(self, command: CancelAllOrders) -> list[Fact]:
        account = self.accounts.get(command.account_id)
        if account is None or not account.orders:
            return [Rejected(UNKNOWN_ORDER)]
        orders = list(account.orders.values())
        return [self._cancel(account, order, command.time_ms) for order in orders]

    def _amend_order(self, command: AmendOrder) -> list[Fact]:
        order = self._find_open(command.account_id, command.order_id, "")
        if order is None:
            return [Rejected(UNKNOWN_ORDER)]
        if command.quantity_rao % STEP_RAO:
            return [Rejected(LOT_SIZE)]
        if not order.executed_rao < command.quantity_rao < order.quantity_rao:
            return [Rejected(AMEND_NOT_SMALLER)]

        less_rao = order.quantity_rao - command.quantity_rao
        order.quantity_rao -= less_rao
        order.leaves_rao -= less_rao
        terms = order.terms
        self.book.side(terms.side).levels[terms.price_sat].quantity_rao -= less_rao
        self.book.touch(terms.side, terms.price_sat)

        account = self.accounts[command.account_id]
        reserve = order.calculate_reserve()
        released, order.reserved = order.reserved - reserve, reserve
        asset = Asset.TAO if terms.side is SELL else Asset.BTC
        account.add_locked(asset, -released)
        account.add_free(asset, released)
        return [
            OrderAmended(
                command.time_ms,
                terms,
                command.quantity_rao,
                order.executed_rao,
                order.executed_sat,
                0,
                released,
                command.quantity_rao + less_rao,
                terms.client_order_id,
            )
        ]
