"""Public market data: `/api/v3/depth`, trades, candles, tickers."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Request

from exchange_service.domain.candles import (
    DAY_MS,
    HOUR_MS,
    INTERVALS_MS,
    MINUTE_MS,
    fill_gaps,
    find_next_open,
    find_open,
    list_opens,
)
from exchange_service.domain.refusals import Reason
from exchange_service.domain.symbol import SYMBOL
from exchange_service.errors import INVALID_INTERVAL, INVALID_SYMBOL, BinanceRefusal
from exchange_service.formats import btc
from exchange_service.market import repository
from exchange_service.market.history import KEEP_TRADES, History
from exchange_service.market.schemas import (
    write_aggregate,
    write_book_ticker,
    write_candle,
    write_day,
    write_exchange_info,
    write_levels,
    write_mini_ticker,
    write_ticker,
    write_trade,
)
from exchange_service.market.tickers import AVERAGE_MINUTES, WINDOWS_MS, Ticker, read_ticker
from exchange_service.parameters import TIME_MAX, Parameters, illegal
from exchange_service.switch.routes import TheSwitch
from exchange_service.web import (
    PAGE_DEFAULT,
    PAGE_MAX,
    Counted,
    RunningEngine,
    Unsigned,
    now_ms,
)
from taonet.kit.db import Transaction

DEPTH_DEFAULT: Final = 100
DEPTH_MAX: Final = 5_000
ZONE: Final = re.compile(r"([+-]?)([0-9]{1,2})(?::([0-9]{2}))?")
ZONE_MINUTES_MIN: Final = -12 * 60
ZONE_MINUTES_MAX: Final = 14 * 60
TICKER_TYPE: Final = Reason(-1139, "Invalid ticker type.")
DUPLICATE_SYMBOLS: Final = Reason(-1151, "Symbol is present multiple times in the list.")
TWO_WAYS: Final = Reason(-1128, "Combination of optional parameters invalid.")

router = APIRouter(prefix="/api/v3", tags=["market"])


def find_history(request: Request) -> History:
    history: History = request.app.state.history
    return history


Drawn = Annotated[History, Depends(find_history)]


@router.get("/ping")
async def ping() -> dict[str, Any]:
    return {}


@router.get("/time")
async def show_time() -> dict[str, int]:
    return {"serverTime": now_ms()}


@router.get("/exchangeInfo")
async def show_exchange_info(
    parameters: Unsigned, limits: Counted, switch: TheSwitch
) -> dict[str, Any]:
    check_symbols(parameters)
    return write_exchange_info(now_ms(), limits.budget.describe(), switch.status)


@router.get("/depth")
async def show_depth(parameters: Unsigned, engine: RunningEngine) -> dict[str, Any]:
    parameters.check_symbol()
    depth = engine.market.depth(parameters.limit(DEPTH_DEFAULT, DEPTH_MAX))
    return {
        "lastUpdateId": depth.update_id,
        "bids": write_levels(depth.bids),
        "asks": write_levels(depth.asks),
    }


@router.get("/trades")
async def show_trades(parameters: Unsigned, history: Drawn) -> list[dict[str, Any]]:
    parameters.check_symbol()
    limit = parameters.limit(PAGE_DEFAULT, PAGE_MAX)
    return [write_trade(trade) for trade in history.newest_trades(limit)]


@router.get("/historicalTrades")
def show_old_trades(
    parameters: Unsigned, history: Drawn, conn: Transaction
) -> list[dict[str, Any]]:
    parameters.check_symbol()
    limit = parameters.limit(PAGE_DEFAULT, PAGE_MAX)
    if "fromId" not in parameters:
        return [write_trade(trade) for trade in history.newest_trades(limit)]
    trades = repository.list_trades(conn, parameters.integer("fromId"), limit)
    return [write_trade(trade) for trade in trades]


@router.get("/aggTrades")
def show_aggregates(
    parameters: Unsigned, history: Drawn, conn: Transaction
) -> list[dict[str, Any]]:
    parameters.check_symbol()
    limit = parameters.limit(PAGE_DEFAULT, PAGE_MAX)
    start_ms, end_ms = read_span(parameters)
    from_id = max(1, parameters.integer("fromId")) if "fromId" in parameters else 0
    if "fromId" in parameters and (start_ms or end_ms < TIME_MAX):
        raise BinanceRefusal(TWO_WAYS)
    newest = history.newest_aggregates(KEEP_TRADES)
    if not from_id and not start_ms and end_ms == TIME_MAX:
        page = newest[-limit:]
    else:
        page = repository.list_aggregates(conn, from_id, start_ms, end_ms, limit)
        # What the tables do not hold yet is in memory.
        known = page[-1].aggregate_id if page else 0
        page += [
            trade
            for trade in newest
            if trade.aggregate_id > max(known, from_id - 1) and start_ms <= trade.time_ms <= end_ms
        ]
    first_ones = from_id or start_ms
    return [write_aggregate(trade) for trade in (page[:limit] if first_ones else page[-limit:])]


@router.get("/klines")
@router.get("/uiKlines")
def show_candles(parameters: Unsigned, history: Drawn, conn: Transaction) -> list[list[Any]]:
    parameters.check_symbol()
    interval = parameters.text("interval")
    if interval not in INTERVALS_MS:
        raise BinanceRefusal(INVALID_INTERVAL)
    limit = parameters.limit(PAGE_DEFAULT, PAGE_MAX)
    ahead_ms = read_zone(parameters, interval)
    start_ms, end_ms = read_span(parameters)
    end_ms = min(end_ms, now_ms())
    first_ms = repository.find_first_trade_ms(conn)
    if first_ms is None:
        return []
    newest = "startTime" not in parameters
    start_ms = max(start_ms, find_open(first_ms, interval, ahead_ms))
    opens = list_opens(start_ms, end_ms, interval, limit, newest, ahead_ms)
    if not opens:
        return []
    following_ms = find_next_open(opens[-1], interval, ahead_ms)
    traded = history.candles(conn, interval, opens, following_ms, ahead_ms)
    candles = fill_gaps(opens, traded, history.price_before(conn, opens[0]))
    return [write_candle(candle, interval, ahead_ms) for candle in candles[:limit]]


@router.get("/avgPrice")
def show_average(parameters: Unsigned, history: Drawn, conn: Transaction) -> dict[str, Any]:
    parameters.check_symbol()
    now = now_ms()
    ticker = read_ticker(history, conn, now - AVERAGE_MINUTES * MINUTE_MS, now)
    return {"mins": AVERAGE_MINUTES, "price": btc(ticker.average_sat), "closeTime": now}


@router.get("/ticker/24hr")
def show_day(parameters: Unsigned, history: Drawn, conn: Transaction, engine: RunningEngine) -> Any:
    check_symbols(parameters)
    now = now_ms()
    ticker = read_ticker(history, conn, now - DAY_MS, now)
    write = read_form(
        parameters,
        lambda full: write_day(full, last_quantity(history), *engine.market.best()),
    )
    return one_or_list(parameters, write(ticker))


@router.get("/ticker/tradingDay")
def show_trading_day(parameters: Unsigned, history: Drawn, conn: Transaction) -> Any:
    check_given(parameters)
    ahead_ms = read_zone(parameters, "1d")
    now = now_ms()
    ticker = read_ticker(history, conn, find_open(now, "1d", ahead_ms), now)
    return one_or_list(parameters, read_form(parameters, write_ticker)(ticker))


@router.get("/ticker")
def show_window(parameters: Unsigned, history: Drawn, conn: Transaction) -> Any:
    check_given(parameters)
    size = parameters.optional_text("windowSize", "1d")
    if size not in WINDOWS_MS:
        raise illegal("windowSize", "1m…59m, 1h…23h, 1d…7d")
    now = now_ms()
    ticker = read_ticker(history, conn, now - WINDOWS_MS[size], now)
    return one_or_list(parameters, read_form(parameters, write_ticker)(ticker))


@router.get("/ticker/price")
async def show_price(parameters: Unsigned, engine: RunningEngine) -> Any:
    check_symbols(parameters)
    last = engine.market.last_trade()
    price = {"symbol": SYMBOL, "price": btc(last.price_sat if last else 0)}
    return one_or_list(parameters, price)


@router.get("/ticker/bookTicker")
async def show_book_ticker(parameters: Unsigned, engine: RunningEngine) -> Any:
    check_symbols(parameters)
    return one_or_list(parameters, write_book_ticker(*engine.market.best()))


def check_symbols(parameters: Parameters) -> None:
    """Refuse unless `symbol`, or every one of `symbols`, is ours; none means all."""
    parameters.check_optional_symbol()
    if "symbols" not in parameters:
        return
    if "symbol" in parameters:
        raise BinanceRefusal(TWO_WAYS)
    try:
        symbols = orjson.loads(parameters.text("symbols"))
    except orjson.JSONDecodeError:
        raise illegal("symbols", '["A","B"]') from None
    if not isinstance(symbols, list) or not all(isinstance(name, str) for name in symbols):
        raise illegal("symbols", '["A","B"]')
    if len(set(symbols)) != len(symbols):
        raise BinanceRefusal(DUPLICATE_SYMBOLS)
    if symbols != [SYMBOL]:
        raise BinanceRefusal(INVALID_SYMBOL)


def check_given(parameters: Parameters) -> None:
    """Refuse as `check_symbols` does, and also a question that names no symbol."""
    if "symbols" not in parameters:
        parameters.check_symbol()
    check_symbols(parameters)


def one_or_list(parameters: Parameters, answer: dict[str, Any]) -> Any:
    """Return the answer alone if one symbol was asked for, else in a list."""
    return answer if "symbol" in parameters else [answer]


def read_span(parameters: Parameters) -> tuple[int, int]:
    """Return `startTime` and `endTime`, from the beginning to the end of time unless given."""
    start_ms = parameters.optional_integer("startTime", 0)
    return start_ms, parameters.optional_integer("endTime", TIME_MAX)


def read_form(
    parameters: Parameters, full: Callable[[Ticker], dict[str, Any]]
) -> Callable[[Ticker], dict[str, Any]]:
    """Return how a ticker is to be written: `type` FULL, which is the default, or MINI."""
    form = parameters.optional_text("type", "FULL")
    if form not in ("FULL", "MINI"):
        raise BinanceRefusal(TICKER_TYPE)
    return full if form == "FULL" else write_mini_ticker


def read_zone(parameters: Parameters, interval: str) -> int:
    """Return by how much `timeZone` is ahead of UTC; 0 where that moves no candle of the interval.

    Hours and minutes, as in `-1:00`, `05:45` or `8`, from -12:00 to +14:00.
    """
    text = parameters.optional_text("timeZone", "0")
    match = ZONE.fullmatch(text)
    if match is None:
        raise illegal("timeZone", "-12:00 to +14:00")
    minutes = int(match[2]) * 60 + int(match[3] or 0)
    minutes = -minutes if match[1] == "-" else minutes
    if not ZONE_MINUTES_MIN <= minutes <= ZONE_MINUTES_MAX or minutes % 15:
        raise illegal("timeZone", "-12:00 to +14:00")
    ahead_ms = minutes * MINUTE_MS
    shifts = INTERVALS_MS[interval] > HOUR_MS or ahead_ms % INTERVALS_MS[interval]
    return ahead_ms if shifts else 0


def last_quantity(history: History) -> int:
    """Return the quantity of the last trade."""
    newest = history.newest_trades(1)
    return newest[0].quantity_rao if newest else 0
