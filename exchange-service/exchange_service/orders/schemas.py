"""Orders in Binance's words: from parameters to a command, from records to JSON."""

from enum import StrEnum
from typing import Any, Final

from exchange_service.domain.commands import Kind, PlaceOrder, SelfTrade, Side, TimeInForce
from exchange_service.domain.facts import Fact, Traded
from exchange_service.domain.projection import OrderRecord, OrderStatus, Projection
from exchange_service.domain.refusals import Reason
from exchange_service.domain.symbol import QUOTE, SYMBOL
from exchange_service.errors import BinanceRefusal
from exchange_service.formats import RAO_PLACES, SAT_PLACES, btc, tao
from exchange_service.orders.naming import make_client_id, name_cancellation
from exchange_service.orders.repository import OwnTrade
from exchange_service.parameters import Parameters

NO_ORDER_LIST: Final = -1
NO_QUANTITY: Final = Reason(
    -1102, "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!"
)
TWO_QUANTITIES: Final = Reason(-1128, "Combination of optional parameters invalid.")
INVALID_QUANTITY: Final = Reason(-1013, "Invalid quantity.")
INVALID_PRICE: Final = Reason(-1013, "Invalid price.")
NO_ICEBERG: Final = Reason(-2010, "Iceberg orders are not supported for this symbol.")
OPEN: Final = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


class ResponseKind(StrEnum):
    """How much an answer to a new order says."""

    ACK = "ACK"
    RESULT = "RESULT"
    FULL = "FULL"


def read_order(account_id: int, parameters: Parameters) -> PlaceOrder:
    """Return the order that the parameters ask for, or refuse them."""
    parameters.check_symbol()
    side = parameters.choice("side", Side)
    kind = parameters.choice("type", Kind)
    if parameters.optional_text("icebergQty", "0").strip("0."):
        raise BinanceRefusal(NO_ICEBERG)
    parameters.forbid("stopPrice", "trailingDelta")
    price_sat, quantity_rao, quote_sat, time_in_force = _read_terms(kind, parameters)
    return PlaceOrder(
        time_ms=0,
        order_id=0,
        account_id=account_id,
        side=side,
        kind=kind,
        price_sat=price_sat,
        quantity_rao=quantity_rao,
        quote_sat=quote_sat,
        time_in_force=time_in_force,
        self_trade=parameters.choice("selfTradePreventionMode", SelfTrade, SelfTrade.EXPIRE_MAKER),
        client_order_id=parameters.client_id("newClientOrderId") or make_client_id(),
    )


def _read_terms(kind: Kind, parameters: Parameters) -> tuple[int, int, int, TimeInForce]:
    """Return price, quantity, quote and time in force, as this kind of order needs them."""
    if kind is Kind.MARKET:
        parameters.forbid("price", "timeInForce")
        quantity_rao, quote_sat = _read_market_quantity(parameters)
        return 0, quantity_rao, quote_sat, TimeInForce.GTC
    parameters.forbid("quoteOrderQty")
    if kind is Kind.LIMIT_MAKER:
        parameters.forbid("timeInForce")
        time_in_force = TimeInForce.GTC
    else:
        time_in_force = parameters.choice("timeInForce", TimeInForce)
    quantity_rao = _read_positive(parameters, "quantity", RAO_PLACES, INVALID_QUANTITY)
    price_sat = _read_positive(parameters, "price", SAT_PLACES, INVALID_PRICE)
    return price_sat, quantity_rao, 0, time_in_force


def _read_market_quantity(parameters: Parameters) -> tuple[int, int]:
    if "quantity" in parameters and "quoteOrderQty" in parameters:
        raise BinanceRefusal(TWO_QUANTITIES)
    if "quoteOrderQty" in parameters:
        return 0, _read_positive(parameters, "quoteOrderQty", SAT_PLACES, INVALID_QUANTITY)
    if "quantity" in parameters:
        return _read_positive(parameters, "quantity", RAO_PLACES, INVALID_QUANTITY), 0
    raise BinanceRefusal(NO_QUANTITY)


def _read_positive(parameters: Parameters, name: str, places: int, zero: Reason) -> int:
    amount = parameters.amount(name, places)
    if amount == 0:
        raise BinanceRefusal(zero)
    return amount


def write_new_order(facts: list[Fact], kind: ResponseKind) -> dict[str, Any]:
    """Return the answer to a new order, from the facts it led to."""
    projection = Projection()
    projection.record(0, facts)
    # One command accepts one order; what else it touched are the makers' changes.
    (order,) = projection.orders.values()
    answer: dict[str, Any] = {
        "symbol": SYMBOL,
        "orderId": order.order_id,
        "orderListId": NO_ORDER_LIST,
        "clientOrderId": order.client_order_id,
        "transactTime": order.created_ms,
    }
    if kind is ResponseKind.ACK:
        return answer
    answer.update(_describe(order), workingTime=order.created_ms)
    if kind is ResponseKind.FULL:
        answer["fills"] = [_write_fill(trade) for trade in projection.trades]
    return answer


def write_cancelled(order: OrderRecord, cancel_id: str) -> dict[str, Any]:
    """Return the answer to a cancellation."""
    return {
        "symbol": SYMBOL,
        "origClientOrderId": order.client_order_id,
        "orderId": order.order_id,
        "orderListId": NO_ORDER_LIST,
        "clientOrderId": cancel_id or name_cancellation(order.order_id),
        "transactTime": order.updated_ms,
        **_describe(order),
    }


def write_order(order: OrderRecord) -> dict[str, Any]:
    """Return an order as queries show it."""
    return {
        "symbol": SYMBOL,
        "orderId": order.order_id,
        "orderListId": NO_ORDER_LIST,
        "clientOrderId": order.client_order_id,
        **_describe(order),
        "stopPrice": btc(0),
        "icebergQty": tao(0),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "workingTime": order.created_ms,
    }


def write_own_trade(trade: OwnTrade) -> dict[str, Any]:
    return {
        "symbol": SYMBOL,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "orderListId": NO_ORDER_LIST,
        "price": btc(trade.price_sat),
        "qty": tao(trade.quantity_rao),
        "quoteQty": btc(trade.quote_sat),
        "commission": btc(trade.fee_sat),
        "commissionAsset": QUOTE,
        "time": trade.time_ms,
        "isBuyer": trade.is_buyer,
        "isMaker": trade.is_maker,
        "isBestMatch": True,
    }


def _describe(order: OrderRecord) -> dict[str, Any]:
    return {
        "price": btc(order.price_sat),
        "origQty": tao(order.quantity_rao),
        "executedQty": tao(order.executed_rao),
        "origQuoteOrderQty": btc(order.asked_sat),
        "cummulativeQuoteQty": btc(order.executed_sat),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.kind,
        "side": order.side,
        "selfTradePreventionMode": order.self_trade,
    }


def _write_fill(trade: Traded) -> dict[str, Any]:
    return {
        "price": btc(trade.price_sat),
        "qty": tao(trade.quantity_rao),
        "commission": btc(trade.taker_fee_sat),
        "commissionAsset": QUOTE,
        "tradeId": trade.trade_id,
    }
