"""Market data as events, in Binance's words."""

from typing import Any, Final

from exchange_service.domain.candles import Candle, find_next_open
from exchange_service.domain.facts import Traded
from exchange_service.domain.symbol import SYMBOL
from exchange_service.formats import btc, tao
from exchange_service.market.repository import AggregateTrade
from exchange_service.market.schemas import Level, write_levels
from exchange_service.market.tickers import Ticker

Levels = list[tuple[int, int]]
DAY_TICKER: Final = "24hrTicker"


def trade_event(trade: Traded, now_ms: int) -> dict[str, Any]:
    return {
        "e": "trade",
        "E": now_ms,
        "s": SYMBOL,
        "t": trade.trade_id,
        "p": btc(trade.price_sat),
        "q": tao(trade.quantity_rao),
        "T": trade.time_ms,
        "m": trade.taker_side == "SELL",
        "M": True,
    }


def aggregate_event(trade: AggregateTrade, now_ms: int) -> dict[str, Any]:
    return {
        "e": "aggTrade",
        "E": now_ms,
        "s": SYMBOL,
        "a": trade.aggregate_id,
        "p": btc(trade.price_sat),
        "q": tao(trade.quantity_rao),
        "f": trade.first_id,
        "l": trade.last_id,
        "T": trade.time_ms,
        "m": trade.taker_side == "SELL",
        "M": True,
    }


def depth_event(
    first_id: int, last_id: int, bids: Levels, asks: Levels, now_ms: int
) -> dict[str, Any]:
    """Return what changed in the book: absolute quantities, 0 where a level is gone."""
    return {
        "e": "depthUpdate",
        "E": now_ms,
        "s": SYMBOL,
        "U": first_id,
        "u": last_id,
        "b": write_levels(bids),
        "a": write_levels(asks),
    }


def partial_depth(update_id: int, bids: Levels, asks: Levels) -> dict[str, Any]:
    return {"lastUpdateId": update_id, "bids": write_levels(bids), "asks": write_levels(asks)}


def book_event(update_id: int, bid: Level, ask: Level) -> dict[str, Any]:
    """Return the best prices; this event alone has no type."""
    bid_sat, bid_rao = bid or (0, 0)
    ask_sat, ask_rao = ask or (0, 0)
    return {
        "u": update_id,
        "s": SYMBOL,
        "b": btc(bid_sat),
        "B": tao(bid_rao),
        "a": btc(ask_sat),
        "A": tao(ask_rao),
    }


def candle_event(
    candle: Candle, interval: str, closed: bool, now_ms: int, ahead_ms: int = 0
) -> dict[str, Any]:
    return {
        "e": "kline",
        "E": now_ms,
        "s": SYMBOL,
        "k": {
            "t": candle.open_ms,
            "T": find_next_open(candle.open_ms, interval, ahead_ms) - 1,
            "s": SYMBOL,
            "i": interval,
            "f": candle.first_id,
            "L": candle.last_id,
            "o": btc(candle.open_sat),
            "c": btc(candle.close_sat),
            "h": btc(candle.high_sat),
            "l": btc(candle.low_sat),
            "v": tao(candle.volume_rao),
            "n": candle.trades,
            "x": closed,
            "q": btc(candle.quote_sat),
            "V": tao(candle.taker_buy_rao),
            "Q": btc(candle.taker_buy_sat),
            "B": "0",
        },
    }


def mini_ticker_event(ticker: Ticker, now_ms: int) -> dict[str, Any]:
    return {
        "e": "24hrMiniTicker",
        "E": now_ms,
        "s": SYMBOL,
        "c": btc(ticker.last_sat),
        "o": btc(ticker.open_sat),
        "h": btc(ticker.high_sat),
        "l": btc(ticker.low_sat),
        "v": tao(ticker.volume_rao),
        "q": btc(ticker.quote_sat),
    }


def window_event(ticker: Ticker, kind: str, now_ms: int) -> dict[str, Any]:
    """Return the ticker of a rolling window; `kind` is such as 1hTicker."""
    return {
        "e": kind,
        "E": now_ms,
        "s": SYMBOL,
        "p": btc(ticker.change_sat),
        "P": ticker.percent,
        "w": btc(ticker.average_sat),
        "c": btc(ticker.last_sat),
        "o": btc(ticker.open_sat),
        "h": btc(ticker.high_sat),
        "l": btc(ticker.low_sat),
        "v": tao(ticker.volume_rao),
        "q": btc(ticker.quote_sat),
        "O": ticker.open_ms,
        "C": ticker.close_ms,
        "F": ticker.first_id,
        "L": ticker.last_id,
        "n": ticker.trades,
    }


def day_event(ticker: Ticker, last_rao: int, bid: Level, ask: Level, now_ms: int) -> dict[str, Any]:
    """Return the ticker of the last 24 hours, with the best prices of now."""
    best = book_event(0, bid, ask)
    return {
        **window_event(ticker, DAY_TICKER, now_ms),
        "x": btc(ticker.before_sat),
        "Q": tao(last_rao),
        **{name: best[name] for name in "bBaA"},
    }


def average_event(ticker: Ticker, minutes: int, now_ms: int) -> dict[str, Any]:
    return {
        "e": "avgPrice",
        "E": now_ms,
        "s": SYMBOL,
        "i": f"{minutes}m",
        "w": btc(ticker.average_sat),
        "T": ticker.close_ms,
    }
