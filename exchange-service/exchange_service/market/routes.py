"""Public market data: `/api/v3/depth`, trades, candles, tickers."""

from typing import Any, Final

from fastapi import APIRouter

from exchange_service.domain.candles import (
    DAY_MS,
    INTERVALS_MS,
    MINUTE_MS,
    fill_gaps,
    find_next_open,
    find_open,
    list_opens,
)
from exchange_service.domain.symbol import SYMBOL
from exchange_service.errors import INVALID_INTERVAL, INVALID_SYMBOL, BinanceRefusal
from exchange_service.formats import btc
from exchange_service.market import repository
from exchange_service.market.schemas import (
    calculate_average_sat,
    write_aggregate,
    write_book_ticker,
    write_candle,
    write_day,
    write_exchange_info,
    write_levels,
    write_trade,
)
from exchange_service.parameters import Parameters
from exchange_service.web import PAGE_DEFAULT, PAGE_MAX, TIME_MAX, RunningEngine, Unsigned, now_ms
from taonet.kit.db import Transaction

DEPTH_DEFAULT: Final = 100
DEPTH_MAX: Final = 5_000
AVERAGE_MINUTES: Final = 5

router = APIRouter(prefix="/api/v3", tags=["market"])


@router.get("/ping")
async def ping() -> dict[str, Any]:
    return {}


@router.get("/time")
async def show_time() -> dict[str, int]:
    return {"serverTime": now_ms()}


@router.get("/exchangeInfo")
async def show_exchange_info(parameters: Unsigned) -> dict[str, Any]:
    check_symbols(parameters)
    return write_exchange_info(now_ms())


@router.get("/depth")
def show_depth(parameters: Unsigned, engine: RunningEngine) -> dict[str, Any]:
    parameters.check_symbol()
    depth = engine.market.depth(parameters.limit(DEPTH_DEFAULT, DEPTH_MAX))
    return {
        "lastUpdateId": depth.update_id,
        "bids": write_levels(depth.bids),
        "asks": write_levels(depth.asks),
    }


@router.get("/trades")
@router.get("/historicalTrades")
def show_trades(parameters: Unsigned, conn: Transaction) -> list[dict[str, Any]]:
    parameters.check_symbol()
    limit = parameters.limit(PAGE_DEFAULT, PAGE_MAX)
    from_id = parameters.optional_integer("fromId", 0)
    return [write_trade(trade) for trade in repository.list_trades(conn, from_id, limit)]


@router.get("/aggTrades")
def show_aggregates(parameters: Unsigned, conn: Transaction) -> list[dict[str, Any]]:
    parameters.check_symbol()
    trades = repository.list_aggregates(
        conn,
        parameters.optional_integer("fromId", 0),
        parameters.optional_integer("startTime", 0),
        parameters.optional_integer("endTime", TIME_MAX),
        parameters.limit(PAGE_DEFAULT, PAGE_MAX),
    )
    return [write_aggregate(trade) for trade in trades]


@router.get("/klines")
@router.get("/uiKlines")
def show_candles(parameters: Unsigned, conn: Transaction) -> list[list[Any]]:
    parameters.check_symbol()
    interval = parameters.text("interval")
    if interval not in INTERVALS_MS:
        raise BinanceRefusal(INVALID_INTERVAL)
    limit = parameters.limit(PAGE_DEFAULT, PAGE_MAX)
    end_ms = min(parameters.optional_integer("endTime", TIME_MAX), now_ms())
    first_ms = repository.find_first_trade_ms(conn)
    if first_ms is None:
        return []
    start_ms = max(parameters.optional_integer("startTime", 0), find_open(first_ms, interval))
    opens = list_opens(start_ms, end_ms, interval, limit, newest="startTime" not in parameters)
    if not opens:
        return []
    before_sat = repository.find_price_before(conn, opens[0])
    traded = repository.list_candles(conn, opens, find_next_open(opens[-1], interval))
    return [write_candle(candle, interval) for candle in fill_gaps(opens, traded, before_sat)][
        :limit
    ]


@router.get("/avgPrice")
def show_average(parameters: Unsigned, conn: Transaction) -> dict[str, Any]:
    parameters.check_symbol()
    now = now_ms()
    summary = repository.summarise(conn, now - AVERAGE_MINUTES * MINUTE_MS)
    average_sat = calculate_average_sat(summary.quote_sat, summary.volume_rao)
    price_sat = average_sat or repository.find_price_before(conn, now)
    return {"mins": AVERAGE_MINUTES, "price": btc(price_sat), "closeTime": now}


@router.get("/ticker/24hr")
def show_day(parameters: Unsigned, conn: Transaction, engine: RunningEngine) -> Any:
    check_symbols(parameters)
    now = now_ms()
    start_ms = now - DAY_MS
    summary = repository.summarise(conn, start_ms)
    before_sat = repository.find_price_before(conn, start_ms)
    day = write_day(summary, before_sat, *engine.market.best(), start_ms, now)
    return one_or_list(parameters, day)


@router.get("/ticker/price")
def show_price(parameters: Unsigned, engine: RunningEngine) -> Any:
    check_symbols(parameters)
    last = engine.market.last_trade()
    price = {"symbol": SYMBOL, "price": btc(last.price_sat if last else 0)}
    return one_or_list(parameters, price)


@router.get("/ticker/bookTicker")
def show_book_ticker(parameters: Unsigned, engine: RunningEngine) -> Any:
    check_symbols(parameters)
    return one_or_list(parameters, write_book_ticker(*engine.market.best()))


def check_symbols(parameters: Parameters) -> None:
    """Refuse unless `symbol`, or every one of `symbols`, is ours; none means all."""
    parameters.check_optional_symbol()
    symbols = parameters.optional_text("symbols", f'["{SYMBOL}"]')
    if [name.strip(' "') for name in symbols.strip("[] ").split(",")] != [SYMBOL]:
        raise BinanceRefusal(INVALID_SYMBOL)


def one_or_list(parameters: Parameters, answer: dict[str, Any]) -> Any:
    """Return the answer alone if one symbol was asked for, else in a list."""
    return answer if "symbol" in parameters else [answer]
