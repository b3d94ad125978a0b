"""`/api/v3/order` and its kin: placing, cancelling, changing and asking about one's own orders."""

from typing import Any, Final

from fastapi import APIRouter

from exchange_service.authentication import SignedRequest
from exchange_service.domain.admission import check_terms
from exchange_service.domain.commands import CancelAllOrders
from exchange_service.domain.facts import OrderAmended
from exchange_service.domain.refusals import Reason
from exchange_service.domain.symbol import SYMBOL
from exchange_service.engine import Engine, execute, execute_and_wait
from exchange_service.errors import UNKNOWN_ORDER, BinanceRefusal
from exchange_service.formats import decimal
from exchange_service.orders import repository
from exchange_service.orders.preparing import (
    Prepared,
    prepare_cancellation,
    prepare_order,
    read_response_kind,
)
from exchange_service.orders.reading import (
    read_amendment,
    read_names,
    read_order,
)
from exchange_service.orders.schemas import (
    write_amended,
    write_amendment,
    write_cancelled_open,
    write_order,
    write_own_trade,
    write_prevented,
)
from exchange_service.parameters import TIME_MAX, Parameters
from exchange_service.web import (
    PAGE_DEFAULT,
    PAGE_MAX,
    Counted,
    Ordering,
    RunningEngine,
    Signed,
    Trading,
)
from taonet.kit.db import Transaction

DAY_MS: Final = 24 * 60 * 60 * 1_000
TOO_LONG: Final = Reason(-1127, "More than 24 hours between startTime and endTime.")
NO_MATCH_NAMED: Final = Reason(
    -1102, "Param 'preventedMatchId' or 'orderId' must be sent, but both were empty/null!"
)

router = APIRouter(prefix="/api/v3", tags=["orders"])


async def execute_prepared(
    engine: Engine, signed: SignedRequest, prepared: Prepared
) -> dict[str, Any]:
    return prepared.write(await execute(engine, prepared.command, signed.valid_until_ms))


@router.post("/order")
async def place_order(signed: Ordering, engine: RunningEngine) -> dict[str, Any]:
    return await execute_prepared(engine, signed, prepare_order(signed))


@router.post("/order/test")
def test_order(signed: Trading, engine: RunningEngine, conn: Transaction) -> dict[str, Any]:
    order = read_order(signed.account_id, signed.parameters)
    read_response_kind(order, signed.parameters)
    last = engine.market.last_trade()
    if (reason := check_terms(order, last.price_sat if last else 0)) is not None:
        raise BinanceRefusal(reason)
    if signed.parameters.optional_text("computeCommissionRates") != "true":
        return {}
    rates = write_commission(*repository.find_fee_rates(conn, signed.account_id))
    del rates["symbol"]
    return {f"{name}ForOrder" if name != "discount" else name: rate for name, rate in rates.items()}


@router.delete("/order")
async def cancel_order(signed: Trading, engine: RunningEngine) -> dict[str, Any]:
    return await execute_prepared(engine, signed, prepare_cancellation(signed))


@router.delete("/openOrders")
async def cancel_open_orders(signed: Trading, engine: RunningEngine) -> list[dict[str, Any]]:
    signed.parameters.check_symbol()
    command = CancelAllOrders(0, signed.account_id)
    return write_cancelled_open(await execute(engine, command, signed.valid_until_ms))


@router.put("/order/amend/keepPriority")
def amend_order(signed: Trading, engine: RunningEngine, conn: Transaction) -> dict[str, Any]:
    command = read_amendment(signed.account_id, signed.parameters)
    facts = execute_and_wait(engine, command, signed.valid_until_ms)
    (amended,) = (fact for fact in facts if isinstance(fact, OrderAmended))
    order_id, quantity_rao = amended.terms.order_id, amended.quantity_rao
    return write_amended(amended, repository.find_amendment(conn, order_id, quantity_rao))


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
        *read_day(parameters),
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
        parameters.integer("fromId") if "fromId" in parameters else None,
        *read_day(parameters),
        parameters.limit(PAGE_DEFAULT, PAGE_MAX),
    )
    return [write_own_trade(trade) for trade in trades]


@router.get("/order/amendments")
def show_amendments(signed: Signed, conn: Transaction) -> list[dict[str, Any]]:
    parameters = signed.parameters
    parameters.check_symbol()
    amendments = repository.list_amendments(
        conn,
        signed.account_id,
        parameters.integer("orderId"),
        parameters.optional_integer("fromExecutionId", 0),
        parameters.limit(PAGE_DEFAULT, PAGE_MAX),
    )
    return [write_amendment(amendment) for amendment in amendments]


@router.get("/myPreventedMatches")
def show_prevented(signed: Signed, conn: Transaction) -> list[dict[str, Any]]:
    parameters = signed.parameters
    parameters.check_symbol()
    prevented_id = parameters.optional_integer("preventedMatchId", 0)
    order_id = parameters.optional_integer("orderId", 0)
    if not prevented_id and not order_id:
        raise BinanceRefusal(NO_MATCH_NAMED)
    matches = repository.list_prevented(
        conn,
        signed.account_id,
        prevented_id,
        order_id,
        parameters.optional_integer("fromPreventedMatchId", 0),
        parameters.limit(PAGE_DEFAULT, PAGE_MAX),
    )
    return [write_prevented(match) for match in matches]


@router.get("/rateLimit/order")
async def show_order_counts(signed: Signed, limits: Counted) -> list[dict[str, Any]]:
    return limits.count_orders(signed.account_id)


@router.get("/account/commission")
def show_commission(signed: Signed, conn: Transaction) -> dict[str, Any]:
    signed.parameters.check_symbol()
    return write_commission(*repository.find_fee_rates(conn, signed.account_id))


def read_day(parameters: Parameters) -> tuple[int, int]:
    """Return `startTime` and `endTime`; given both, they may be a day apart at most."""
    start_ms = parameters.optional_integer("startTime", 0)
    end_ms = parameters.optional_integer("endTime", TIME_MAX)
    if "startTime" in parameters and "endTime" in parameters and end_ms - start_ms > DAY_MS:
        raise BinanceRefusal(TOO_LONG)
    return start_ms, end_ms


def write_commission(maker_ppm: int, taker_ppm: int) -> dict[str, Any]:
    none = decimal(0, 8)
    rates = {"maker": decimal(maker_ppm * 100, 8), "taker": decimal(taker_ppm * 100, 8)}
    nothing = {"maker": none, "taker": none, "buyer": none, "seller": none}
    return {
        "symbol": SYMBOL,
        "standardCommission": {**nothing, **rates},
        "specialCommission": nothing,
        "taxCommission": nothing,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BTC",
            "discount": none,
        },
    }
