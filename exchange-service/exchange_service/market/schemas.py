"""Market data in Binance's words."""

from decimal import Decimal
from typing import Any, Final

from exchange_service.domain.candles import Candle, find_next_open
from exchange_service.domain.commands import Kind, SelfTrade
from exchange_service.domain.symbol import (
    BASE,
    NOTIONAL_SAT_MAX,
    NOTIONAL_SAT_MIN,
    OPEN_ORDERS_MAX,
    PRICE_SAT_MAX,
    PRICE_SAT_MIN,
    QUANTITY_RAO_MAX,
    QUANTITY_RAO_MIN,
    QUOTE,
    RAO_PER_TAO,
    STEP_RAO,
    SYMBOL,
    TICK_SAT,
)
from exchange_service.formats import RAO_PLACES, SAT_PLACES, btc, tao
from exchange_service.market.repository import AggregateTrade, PublicTrade, Summary

Level = tuple[int, int] | None
RATE_LIMITS: Final = [
    {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": 6_000,
    },
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000},
]


def write_exchange_info(now_ms: int) -> dict[str, Any]:
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": RATE_LIMITS,
        "exchangeFilters": [],
        "symbols": [write_symbol()],
    }


def write_symbol() -> dict[str, Any]:
    return {
        "symbol": SYMBOL,
        "status": "TRADING",
        "baseAsset": BASE,
        "baseAssetPrecision": RAO_PLACES,
        "quoteAsset": QUOTE,
        "quotePrecision": SAT_PLACES,
        "quoteAssetPrecision": SAT_PLACES,
        "baseCommissionPrecision": RAO_PLACES,
        "quoteCommissionPrecision": SAT_PLACES,
        "orderTypes": [str(kind) for kind in Kind],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": write_filters(),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": str(SelfTrade.EXPIRE_MAKER),
        "allowedSelfTradePreventionModes": [str(mode) for mode in SelfTrade],
    }


def write_filters() -> list[dict[str, Any]]:
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": btc(PRICE_SAT_MIN),
            "maxPrice": btc(PRICE_SAT_MAX),
            "tickSize": btc(TICK_SAT),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": tao(QUANTITY_RAO_MIN),
            "maxQty": tao(QUANTITY_RAO_MAX),
            "stepSize": tao(STEP_RAO),
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": btc(NOTIONAL_SAT_MIN),
            "applyMinToMarket": True,
            "maxNotional": btc(NOTIONAL_SAT_MAX),
            "applyMaxToMarket": True,
            "avgPriceMins": 0,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": OPEN_ORDERS_MAX},
    ]


def write_trade(trade: PublicTrade) -> dict[str, Any]:
    return {
        "id": trade.trade_id,
        "price": btc(trade.price_sat),
        "qty": tao(trade.quantity_rao),
        "quoteQty": btc(trade.quote_sat),
        "time": trade.time_ms,
        "isBuyerMaker": trade.taker_side == "SELL",
        "isBestMatch": True,
    }


def write_aggregate(trade: AggregateTrade) -> dict[str, Any]:
    return {
        "a": trade.first_id,
        "p": btc(trade.price_sat),
        "q": tao(trade.quantity_rao),
        "f": trade.first_id,
        "l": trade.last_id,
        "T": trade.time_ms,
        "m": trade.taker_side == "SELL",
        "M": True,
    }


def write_candle(candle: Candle, interval: str) -> list[Any]:
    return [
        candle.open_ms,
        btc(candle.open_sat),
        btc(candle.high_sat),
        btc(candle.low_sat),
        btc(candle.close_sat),
        tao(candle.volume_rao),
        find_next_open(candle.open_ms, interval) - 1,
        btc(candle.quote_sat),
        candle.trades,
        tao(candle.taker_buy_rao),
        btc(candle.taker_buy_sat),
        "0",
    ]


def write_levels(levels: list[tuple[int, int]]) -> list[list[str]]:
    return [[btc(price_sat), tao(quantity_rao)] for price_sat, quantity_rao in levels]


def write_book_ticker(bid: Level, ask: Level) -> dict[str, str]:
    bid_sat, bid_rao = bid or (0, 0)
    ask_sat, ask_rao = ask or (0, 0)
    return {
        "symbol": SYMBOL,
        "bidPrice": btc(bid_sat),
        "bidQty": tao(bid_rao),
        "askPrice": btc(ask_sat),
        "askQty": tao(ask_rao),
    }


def calculate_average_sat(quote_sat: int, volume_rao: int) -> int:
    """Return the price per TAO weighted by volume, cut to whole satoshi."""
    return quote_sat * RAO_PER_TAO // volume_rao if volume_rao else 0


def write_day(
    day: Summary, before_sat: int, bid: Level, ask: Level, start_ms: int, now_ms: int
) -> dict[str, Any]:
    """Return the 24 hours' ticker; without trades, everything stands at the price before."""
    last_sat = day.last_sat or before_sat
    open_sat = day.open_sat or before_sat
    change_sat = last_sat - open_sat
    percent = Decimal(change_sat) / open_sat * 100 if open_sat else Decimal(0)
    return {
        "symbol": SYMBOL,
        "priceChange": btc(change_sat),
        "priceChangePercent": f"{percent:.3f}",
        "weightedAvgPrice": btc(calculate_average_sat(day.quote_sat, day.volume_rao) or last_sat),
        "prevClosePrice": btc(before_sat),
        "lastPrice": btc(last_sat),
        "lastQty": tao(day.last_rao),
        **{name: value for name, value in write_book_ticker(bid, ask).items() if name != "symbol"},
        "openPrice": btc(open_sat),
        "highPrice": btc(day.high_sat or last_sat),
        "lowPrice": btc(day.low_sat or last_sat),
        "volume": tao(day.volume_rao),
        "quoteVolume": btc(day.quote_sat),
        "openTime": start_ms,
        "closeTime": now_ms,
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.trades,
    }
