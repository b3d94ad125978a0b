"""The WebSocket API's methods: each is answered by the function that answers the same over HTTP."""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.datastructures import State

from exchange_service.authentication import Permission, SignedRequest
from exchange_service.funds import routes as funds
from exchange_service.market import routes as market
from exchange_service.orders import list_routes as order_lists
from exchange_service.orders import routes as orders
from exchange_service.orders.preparing import Prepare, prepare_cancellation, prepare_order
from exchange_service.parameters import Parameters
from taonet.kit.db import begin

READ, TRADE = Permission.READ, Permission.TRADE


@dataclass(frozen=True)
class Method:
    """A function, the request over HTTP that weighs the same, and what its caller must be."""

    answer: Callable[..., Any]
    verb: str
    path: str
    permission: Permission | None = None
    """None: anybody may ask."""
    orders: int = 0
    """New orders it counts as."""
    prepare: Prepare | None = None
    """What makes a command of it: then no task is needed to wait for the answer."""
    needs: frozenset[str] = field(init=False)
    is_asynchronous: bool = field(init=False)

    def __post_init__(self) -> None:
        # Looked up once, not for every request.
        object.__setattr__(self, "needs", frozenset(inspect.signature(self.answer).parameters))
        object.__setattr__(self, "is_asynchronous", inspect.iscoroutinefunction(self.answer))

    async def run(self, state: State, parameters: Parameters, signed: SignedRequest | None) -> Any:
        """Call the function with what it asks for; one that waits for SQL in a thread."""
        offered = {
            "parameters": parameters,
            "signed": signed,
            "engine": state.engine,
            "history": state.history,
            "limits": state.limits,
            "terms": state.funds_terms,
            "switch": state.switch,
        }
        given = {name: offered[name] for name in self.needs if name != "conn"}
        if self.is_asynchronous:
            return await self.answer(**given)
        return await asyncio.to_thread(self._run_with_sql, state, given)

    def _run_with_sql(self, state: State, given: dict[str, Any]) -> Any:
        if "conn" not in self.needs:
            return self.answer(**given)
        with begin(state.pool) as conn:
            return self.answer(**given, conn=conn)


METHODS: Final = {
    "ping": Method(market.ping, "GET", "/api/v3/ping"),
    "time": Method(market.show_time, "GET", "/api/v3/time"),
    "exchangeInfo": Method(market.show_exchange_info, "GET", "/api/v3/exchangeInfo"),
    "depth": Method(market.show_depth, "GET", "/api/v3/depth"),
    "trades.recent": Method(market.show_trades, "GET", "/api/v3/trades"),
    "trades.historical": Method(market.show_old_trades, "GET", "/api/v3/historicalTrades"),
    "trades.aggregate": Method(market.show_aggregates, "GET", "/api/v3/aggTrades"),
    "klines": Method(market.show_candles, "GET", "/api/v3/klines"),
    "uiKlines": Method(market.show_candles, "GET", "/api/v3/uiKlines"),
    "avgPrice": Method(market.show_average, "GET", "/api/v3/avgPrice"),
    "ticker.24hr": Method(market.show_day, "GET", "/api/v3/ticker/24hr"),
    "ticker.tradingDay": Method(market.show_trading_day, "GET", "/api/v3/ticker/tradingDay"),
    "ticker": Method(market.show_window, "GET", "/api/v3/ticker"),
    "ticker.price": Method(market.show_price, "GET", "/api/v3/ticker/price"),
    "ticker.book": Method(market.show_book_ticker, "GET", "/api/v3/ticker/bookTicker"),
    "order.place": Method(orders.place_order, "POST", "/api/v3/order", TRADE, 1, prepare_order),
    "order.test": Method(orders.test_order, "POST", "/api/v3/order/test", TRADE),
    "order.status": Method(orders.show_order, "GET", "/api/v3/order", READ),
    "order.cancel": Method(
        orders.cancel_order, "DELETE", "/api/v3/order", TRADE, 0, prepare_cancellation
    ),
    "order.cancelReplace": Method(
        order_lists.replace_order, "POST", "/api/v3/order/cancelReplace", TRADE, 1
    ),
    "order.amend.keepPriority": Method(
        orders.amend_order, "PUT", "/api/v3/order/amend/keepPriority", TRADE
    ),
    "order.amendments": Method(orders.show_amendments, "GET", "/api/v3/order/amendments", READ),
    "orderList.place.oco": Method(
        order_lists.place_pair, "POST", "/api/v3/orderList/oco", TRADE, 2
    ),
    "orderList.status": Method(order_lists.show_pair, "GET", "/api/v3/orderList", READ),
    "orderList.cancel": Method(order_lists.cancel_pair, "DELETE", "/api/v3/orderList", TRADE),
    "openOrderLists.status": Method(
        order_lists.show_open_pairs, "GET", "/api/v3/openOrderList", READ
    ),
    "allOrderLists": Method(order_lists.show_all_pairs, "GET", "/api/v3/allOrderList", READ),
    "myPreventedMatches": Method(orders.show_prevented, "GET", "/api/v3/myPreventedMatches", READ),
    "account.commission": Method(orders.show_commission, "GET", "/api/v3/account/commission", READ),
    "account.rateLimits.orders": Method(
        orders.show_order_counts, "GET", "/api/v3/rateLimit/order", READ
    ),
    "openOrders.status": Method(orders.show_open_orders, "GET", "/api/v3/openOrders", READ),
    "openOrders.cancelAll": Method(
        orders.cancel_open_orders, "DELETE", "/api/v3/openOrders", TRADE
    ),
    "allOrders": Method(orders.show_all_orders, "GET", "/api/v3/allOrders", READ),
    "myTrades": Method(orders.show_own_trades, "GET", "/api/v3/myTrades", READ),
    "account.status": Method(funds.show_account, "GET", "/api/v3/account", READ),
}
