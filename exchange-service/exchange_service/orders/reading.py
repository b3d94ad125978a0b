"""From parameters to commands: what an order, a pair, a replacement or an amendment asks for."""

from typing import Final

from exchange_service.domain.commands import (
    AmendOrder,
    CancelOrder,
    Kind,
    PlaceOrder,
    PlaceOrderPair,
    ReplaceMode,
    ReplaceOrder,
    Restriction,
    SelfTrade,
    Side,
    TimeInForce,
)
from exchange_service.domain.refusals import Reason
from exchange_service.errors import BinanceRefusal
from exchange_service.formats import RAO_PLACES, SAT_PLACES
from exchange_service.orders.naming import make_client_id
from exchange_service.parameters import Parameters

NO_QUANTITY: Final = Reason(
    -1102, "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!"
)
TWO_QUANTITIES: Final = Reason(-1128, "Combination of optional parameters invalid.")
INVALID_QUANTITY: Final = Reason(-1013, "Invalid quantity.")
INVALID_PRICE: Final = Reason(-1013, "Invalid price.")
INVALID_STOP_PRICE: Final = Reason(-1013, "Invalid stopPrice.")
NO_TRAILING: Final = Reason(-2010, "Trailing stop orders are not supported for this symbol.")
BAD_RESTRICTION: Final = Reason(
    -1145, "`cancelRestrictions` has to be either `ONLY_NEW` or `ONLY_PARTIALLY_FILLED`."
)
NO_ORDER_NAMED: Final = Reason(
    -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
)
NO_CANCEL_NAMED: Final = Reason(
    -1102,
    "Param 'cancelOrigClientOrderId' or 'cancelOrderId' must be sent, but both were empty/null!",
)
NO_LEG: Final = Reason(-1158, "Order type not supported in OCO.")
BUY_LIMIT_ABOVE: Final = Reason(-1165, "A limit order in a buy OCO must be below.")
SELL_LIMIT_BELOW: Final = Reason(-1166, "A limit order in a sell OCO must be above.")
BOTH_LIMIT: Final = Reason(-1168, "At least one OCO order must be contingent.")
BUY_LOSS_BELOW: Final = Reason(-1196, "A stop loss order in a buy OCO must be above.")
SELL_LOSS_ABOVE: Final = Reason(-1197, "A stop loss order in a sell OCO must be below.")
BUY_PROFIT_ABOVE: Final = Reason(-1198, "A take profit order in a buy OCO must be below.")
SELL_PROFIT_BELOW: Final = Reason(-1199, "A take profit order in a sell OCO must be above.")

STOPS: Final = (
    Kind.STOP_LOSS,
    Kind.STOP_LOSS_LIMIT,
    Kind.TAKE_PROFIT,
    Kind.TAKE_PROFIT_LIMIT,
)
AT_ANY_PRICE: Final = (Kind.MARKET, Kind.STOP_LOSS, Kind.TAKE_PROFIT)
LOSSES: Final = (Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT)
PROFITS: Final = (Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT)
LEGS: Final = (Kind.LIMIT_MAKER, *STOPS)
"""What may be a leg of a pair."""
WITHOUT_TIME: Final = (*AT_ANY_PRICE, Kind.LIMIT_MAKER)
"""Kinds whose time in force is not the client's to choose."""
ABOVE: Final = {
    (Side.BUY, Kind.LIMIT_MAKER): BUY_LIMIT_ABOVE,
    **{(Side.SELL, kind): SELL_LOSS_ABOVE for kind in LOSSES},
    **{(Side.BUY, kind): BUY_PROFIT_ABOVE for kind in PROFITS},
}
"""What may not be the upper leg of a pair, and why."""
BELOW: Final = {
    (Side.SELL, Kind.LIMIT_MAKER): SELL_LIMIT_BELOW,
    **{(Side.BUY, kind): BUY_LOSS_BELOW for kind in LOSSES},
    **{(Side.SELL, kind): SELL_PROFIT_BELOW for kind in PROFITS},
}


def read_order(account_id: int, parameters: Parameters) -> PlaceOrder:
    """Return the order that the parameters ask for, or refuse them."""
    parameters.check_symbol()
    side = parameters.choice("side", Side)
    kind = parameters.choice("type", Kind)
    quantity_rao, quote_sat = _read_quantities(kind, parameters)
    return PlaceOrder(
        time_ms=0,
        order_id=0,
        account_id=account_id,
        side=side,
        kind=kind,
        price_sat=_read_price(kind, parameters, "price"),
        quantity_rao=quantity_rao,
        quote_sat=quote_sat,
        time_in_force=_read_time(kind, parameters, "timeInForce"),
        self_trade=_read_self_trade(parameters),
        client_order_id=parameters.client_id("newClientOrderId") or make_client_id(),
        stop_price_sat=_read_stop(kind, parameters, "stopPrice", "trailingDelta"),
        iceberg_rao=_read_iceberg(parameters, "icebergQty"),
    )


def read_pair(account_id: int, parameters: Parameters) -> PlaceOrderPair:
    """Return the two orders, of which one cancels the other, that the parameters ask for."""
    parameters.check_symbol()
    side = parameters.choice("side", Side)
    quantity_rao = _read_positive(parameters, "quantity", RAO_PLACES, INVALID_QUANTITY)
    above = _read_leg(account_id, parameters, side, quantity_rao, "above")
    below = _read_leg(account_id, parameters, side, quantity_rao, "below")
    if above.kind is Kind.LIMIT_MAKER and below.kind is Kind.LIMIT_MAKER:
        raise BinanceRefusal(BOTH_LIMIT)
    for misplaced in (ABOVE.get((side, above.kind)), BELOW.get((side, below.kind))):
        if misplaced is not None:
            raise BinanceRefusal(misplaced)
    name = parameters.client_id("listClientOrderId") or make_client_id()
    return PlaceOrderPair(0, 0, account_id, name, above, below)


def _read_leg(
    account_id: int, parameters: Parameters, side: Side, quantity_rao: int, leg: str
) -> PlaceOrder:
    kind = parameters.choice(f"{leg}Type", Kind)
    if kind not in LEGS:
        raise BinanceRefusal(NO_LEG)
    return PlaceOrder(
        time_ms=0,
        order_id=0,
        account_id=account_id,
        side=side,
        kind=kind,
        price_sat=_read_price(kind, parameters, f"{leg}Price"),
        quantity_rao=quantity_rao,
        quote_sat=0,
        time_in_force=_read_time(kind, parameters, f"{leg}TimeInForce"),
        self_trade=_read_self_trade(parameters),
        client_order_id=parameters.client_id(f"{leg}ClientOrderId") or make_client_id(),
        stop_price_sat=_read_stop(kind, parameters, f"{leg}StopPrice", f"{leg}TrailingDelta"),
        iceberg_rao=_read_iceberg(parameters, f"{leg}IcebergQty"),
    )


def read_cancellation(account_id: int, parameters: Parameters) -> CancelOrder:
    parameters.check_symbol()
    names, restriction = read_names(parameters), read_restriction(parameters)
    return CancelOrder(0, account_id, *names, restriction, parameters.client_id("newClientOrderId"))


def read_replacement(account_id: int, parameters: Parameters) -> ReplaceOrder:
    parameters.check_symbol()
    mode = parameters.choice("cancelReplaceMode", ReplaceMode)
    order_id = parameters.optional_integer("cancelOrderId", 0)
    name = parameters.optional_text("cancelOrigClientOrderId")
    if not order_id and not name:
        raise BinanceRefusal(NO_CANCEL_NAMED)
    restriction = read_restriction(parameters)
    order = read_order(account_id, parameters)
    cancel_id = parameters.client_id("cancelNewClientOrderId")
    return ReplaceOrder(0, account_id, order_id, name, restriction, mode, order, cancel_id)


def read_amendment(account_id: int, parameters: Parameters) -> AmendOrder:
    parameters.check_symbol()
    order_id, name = read_names(parameters)
    quantity_rao = _read_positive(parameters, "newQty", RAO_PLACES, INVALID_QUANTITY)
    new_name = parameters.client_id("newClientOrderId") or make_client_id()
    return AmendOrder(0, account_id, order_id, quantity_rao, name, new_name)


def read_names(parameters: Parameters) -> tuple[int, str]:
    """Return order id and client order id, one of which must be given."""
    order_id = parameters.optional_integer("orderId", 0)
    client_order_id = parameters.optional_text("origClientOrderId")
    if not order_id and not client_order_id:
        raise BinanceRefusal(NO_ORDER_NAMED)
    return order_id, client_order_id


def read_restriction(parameters: Parameters) -> Restriction:
    text = parameters.optional_text("cancelRestrictions")
    if text and text not in (Restriction.ONLY_NEW, Restriction.ONLY_PARTIALLY_FILLED):
        raise BinanceRefusal(BAD_RESTRICTION)
    return Restriction(text) if text else Restriction.NONE


def _read_quantities(kind: Kind, parameters: Parameters) -> tuple[int, int]:
    """Return quantity and quote, of which a market order names one, and others the quantity."""
    if kind is not Kind.MARKET:
        parameters.forbid("quoteOrderQty")
        return _read_positive(parameters, "quantity", RAO_PLACES, INVALID_QUANTITY), 0
    if "quantity" in parameters and "quoteOrderQty" in parameters:
        raise BinanceRefusal(TWO_QUANTITIES)
    if "quoteOrderQty" in parameters:
        return 0, _read_positive(parameters, "quoteOrderQty", SAT_PLACES, INVALID_QUANTITY)
    if "quantity" in parameters:
        return _read_positive(parameters, "quantity", RAO_PLACES, INVALID_QUANTITY), 0
    raise BinanceRefusal(NO_QUANTITY)


def _read_price(kind: Kind, parameters: Parameters, name: str) -> int:
    if kind in AT_ANY_PRICE:
        parameters.forbid(name)
        return 0
    return _read_positive(parameters, name, SAT_PLACES, INVALID_PRICE)


def _read_time(kind: Kind, parameters: Parameters, name: str) -> TimeInForce:
    if kind in WITHOUT_TIME:
        parameters.forbid(name)
        return TimeInForce.GTC
    return parameters.choice(name, TimeInForce)


def _read_stop(kind: Kind, parameters: Parameters, name: str, trailing: str) -> int:
    if trailing in parameters:
        raise BinanceRefusal(NO_TRAILING)
    if kind not in STOPS:
        parameters.forbid(name)
        return 0
    return _read_positive(parameters, name, SAT_PLACES, INVALID_STOP_PRICE)


def _read_iceberg(parameters: Parameters, name: str) -> int:
    return parameters.amount(name, RAO_PLACES) if parameters.optional_text(name) else 0


def _read_self_trade(parameters: Parameters) -> SelfTrade:
    return parameters.choice("selfTradePreventionMode", SelfTrade, SelfTrade.EXPIRE_MAKER)


def _read_positive(parameters: Parameters, name: str, places: int, zero: Reason) -> int:
    amount = parameters.amount(name, places)
    if amount == 0:
        raise BinanceRefusal(zero)
    return amount
