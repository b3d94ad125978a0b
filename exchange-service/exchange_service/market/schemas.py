"""Market data in Binance's words."""

from typing import Any

from exchange_service.domain.candles import Candle, find_next_open
from exchange_service.domain.commands import Kind, SelfTrade
from exchange_service.domain.symbol import (
    ASK_DIVISOR_DOWN,
    ASK_MULTIPLIER_UP,
    BASE,
    BID_DIVISOR_DOWN,
    BID_MULTIPLIER_UP,
    ICEBERG_ORDERS_MAX,
    ICEBERG_PARTS_MAX,
    NOTIONAL_SAT_MAX,
    NOTIONAL_SAT_MIN,
    OPEN_ORDERS_MAX,
    ORDER_AMENDS_MAX,
    ORDER_LISTS_MAX,
    POSITION_RAO_MAX,
    PRICE_SAT_MAX,
    PRICE_SAT_MIN,
    QUANTITY_RAO_MAX,
    QUANTITY_RAO_MIN,
    QUOTE,
    STEP_RAO,
    STOP_ORDERS_MAX,
    SYMBOL,
    TICK_SAT,
)
from exchange_service.formats import RAO_PLACES, SAT_PLACES, btc, tao
from exchange_service.market.repository import AggregateTrade, PublicTrade
from exchange_service.market.tickers import Ticker

Level = tuple[int, int] | None


def write_exchange_info(
    now_ms: int, rate_limits: list[dict[str, Any]], status: str
) -> dict[str, Any]:
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": rate_limits,
        # Empty, as Binance's own is: with one market its filters say it all, and clients (nautilus)
        # stop at a kind of filter they have not heard of.
        "exchangeFilters": [],
        "symbols": [write_symbol(status)],
    }


def write_symbol(status: str) -> dict[str, Any]:
    return {
        "symbol": SYMBOL,
        "status": status,
        "baseAsset": BASE,
        "baseAssetPrecision": RAO_PLACES,
        "quoteAsset": QUOTE,
        "quotePrecision": SAT_PLACES,
        "quoteAssetPrecision": SAT_PLACES,
        "baseCommissionPrecision": RAO_PLACES,
        "quoteCommissionPrecision": SAT_PLACES,
        "orderTypes": [str(kind) for kind in Kind],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
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
            "filterType": "MARKET_LOT_SIZE",
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
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": str(BID_MULTIPLIER_UP),
            "bidMultiplierDown": str(1 / BID_DIVISOR_DOWN),
            "askMultiplierUp": str(ASK_MULTIPLIER_UP),
            "askMultiplierDown": str(1 / ASK_DIVISOR_DOWN),
            "avgPriceMins": 0,
        },
        {"filterType": "ICEBERG_PARTS", "limit": ICEBERG_PARTS_MAX},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": OPEN_ORDERS_MAX},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": STOP_ORDERS_MAX},
        {"filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": ICEBERG_ORDERS_MAX},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": ORDER_LISTS_MAX},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": ORDER_AMENDS_MAX},
        {"filterType": "MAX_POSITION", "maxPosition": tao(POSITION_RAO_MAX)},
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
        "a": trade.aggregate_id,
        "p": btc(trade.price_sat),
        "q": tao(trade.quantity_rao),
        "f": trade.first_id,
        "l": trade.last_id,
        "T": trade.time_ms,
        "m": trade.taker_side == "SELL",
        "M": True,
    }


def write_candle(candle: Candle, interval: str, ahead_ms: int = 0) -> list[Any]:
    return [
        candle.open_ms,
        btc(candle.open_sat),
        btc(candle.high_sat),
        btc(candle.low_sat),
        btc(candle.close_sat),
        tao(candle.volume_rao),
        find_next_open(candle.open_ms, interval, ahead_ms) - 1,
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


def write_mini_ticker(ticker: Ticker) -> dict[str, Any]:
    return {
        "symbol": SYMBOL,
        "openPrice": btc(ticker.open_sat),
        "highPrice": btc(ticker.high_sat),
        "lowPrice": btc(ticker.low_sat),
        "lastPrice": btc(ticker.last_sat),
        "volume": tao(ticker.volume_rao),
        "quoteVolume": btc(ticker.quote_sat),
        "openTime": ticker.open_ms,
        "closeTime": ticker.close_ms,
        "firstId": ticker.first_id,
        "lastId": ticker.last_id,
        "count": ticker.trades,
    }


def write_ticker(ticker: Ticker) -> dict[str, Any]:
    """Return the ticker of a window: its mini form, and what changed."""
    return {
        "symbol": SYMBOL,
        "priceChange": btc(ticker.change_sat),
        "priceChangePercent": ticker.percent,
        "weightedAvgPrice": btc(ticker.average_sat),
        **write_mini_ticker(ticker),
    }


def write_day(ticker: Ticker, last_rao: int, bid: Level, ask: Level) -> dict[str, Any]:
    """Return the ticker of the last 24 hours, with the best prices of now."""
    return {
        **write_ticker(ticker),
        "prevClosePrice": btc(ticker.before_sat),
        "lastQty": tao(last_rao),
        **write_book_ticker(bid, ask),
    }
