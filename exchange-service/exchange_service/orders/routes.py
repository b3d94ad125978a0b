"""`/api/v3/order` and its kin: placing, cancelling and asking about one's own orders."""

from typing import Any, Final

from fastapi import APIRouter

from exchange_service.domain.admission import check_terms
from exchange_service.domain.commands import CancelAllOrders, CancelOrder, Kind
from exchange_service.domain.facts import OrderCancelled
from exchange_service.domain.projection import describe_cancelled
from exchange_service.domain.refusals import Reason
from exchange_service.engine import execute
from exchange_service.errors import UNKNOWN_ORDER, BinanceRefusal
from exchange_service.orders import repository
from exchange_service.orders.schemas import (
    ResponseKind,
    read_order,
    write_cancelled,
    write_new_order,
    write_order,
    write_own_trade,
)
from exchange_service.parameters import TIME_MAX, Parameters
from exchange_service.web import PAGE_DEFAULT, PAGE_MAX, Ordering, RunningEngine, Signed, Trading
from taonet.kit.db import Transaction

NO_ORDER_NAMED: Final = Reason(
    -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
)

router = APIRouter(prefix="/api/v3", tags=["orders"])


@router.post("/order")
async def place_order(signed: Ordering, engine: RunningEngine) -> dict[str, Any]:
    order = read_order(signed.account_id, signed.parameters)
    default = ResponseKind.ACK if order.kind is Kind.LIMIT_MAKER else ResponseKind.FULL
    answer = signed.parameters.choice("newOrderRespType", ResponseKind, default)
    return write_new_order(await execute(engine, order), answer)


@router.post("/order/test")
async def test_order(signed: Signed, engine: RunningEngine) -> dict[str, Any]:
    order = read_order(signed.account_id, signed.parameters)
    last = engine.market.last_trade()
    if (reason := check_terms(order, last.price_sat if last else 0)) is not None:
        raise BinanceRefusal(reason)
    return {}


@router.delete("/order")
async def cancel_order(signed: Trading, engine: RunningEngine) -> dict[str, Any]:
    parameters = signed.parameters
    parameters.check_symbol()
    order_id, client_order_id = read_names(parameters)
    cancel_id = parameters.client_id("newClientOrderId")
    facts = await execute(engine, CancelOrder(0, signed.account_id, order_id, client_order_id))
    (cancelled,) = facts
    assert isinstance(cancelled, OrderCancelled)
    return write_cancelled(describe_cancelled(cancelled), cancel_id)


@router.delete("/openOrders")
async def cancel_open_orders(signed: Trading, engine: RunningEngine) -> list[dict[str, Any]]:
    signed.parameters.check_symbol()
    facts = await execute(engine, CancelAllOrders(0, signed.account_id))
    return [
        write_cancelled(describe_cancelled(fact), "")
        for fact in facts
        if isinstance(fact, OrderCancelled)
    ]


@router.get("/order")
def show_order(signed: Signed, conn: Transaction) -> dict[str, Any]:
    signed.parameters.check_symbol()
    order = repository.find_order(conn, signed.account_id, *read_names(signed.parameters))
    if order is None:
        raise BinanceRefusal(UNKNOWN_ORDER)
    return write_order(order)


@router.get("/openOrders")
def show_open_orders(signed: Signed, conn: Transaction) -> list[dict[str, Any]]:
    signed.parameters.check_optional_symbol()
    return [write_order(order) for order in repository.list_open_orders(conn, signed.account_id)]


@router.get("/allOrders")
def show_all_orders(signed: Signed, conn: Transaction) -> list[dict[str, Any]]:
    parameters = signed.parameters
    parameters.check_symbol()
    orders = repository.list_orders(
        conn,
        signed.account_id,
        parameters.optional_integer("orderId", 0),
        parameters.optional_integer("startTime", 0),
        parameters.optional_integer("endTime", TIME_MAX),
        parameters.limit(PAGE_DEFAULT, PAGE_MAX),
    )
    return [write_order(order) for order in orders]


@router.get("/myTrades")
def show_own_trades(signed: Signed, conn: Transaction) -> list[dict[str, Any]]:
    parameters = signed.parameters
    parameters.check_symbol()
    trades = repository.list_own_trades(
        conn,
        signed.account_id,
        parameters.optional_integer("orderId", 0),
        parameters.optional_integer("fromId", 0),
        parameters.optional_integer("startTime", 0),
        parameters.optional_integer("endTime", TIME_MAX),
        parameters.limit(PAGE_DEFAULT, PAGE_MAX),
    )
    return [write_own_trade(trade) for trade in trades]


def read_names(parameters: Parameters) -> tuple[int, str]:
    """Return order id and client order id, one of which must be given."""
    order_id = parameters.optional_integer("orderId", 0)
    client_order_id = parameters.optional_text("origClientOrderId")
    if not order_id and not client_order_id:
        raise BinanceRefusal(NO_ORDER_NAMED)
    return order_id, client_order_id
