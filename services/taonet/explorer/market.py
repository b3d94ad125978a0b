"""What the exchange says of TAO for BTC, read over its public HTTP interface."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

SYMBOL = "TAOBTC"
CANDLES_SHOWN = 120
DEPTH_SHOWN = 20
TRADES_SHOWN = 30


@dataclass(frozen=True)
class Level:
    """All orders at one price of the book."""

    price: Decimal
    quantity: Decimal
    cumulative: Decimal
    """Quantity at this price and every better one."""


@dataclass(frozen=True)
class Trade:
    price: Decimal
    quantity: Decimal
    time_ms: int
    seller_took: bool


@dataclass(frozen=True)
class Market:
    """The market at a glance: prices in BTC for one TAO, quantities in TAO."""

    last: Decimal | None
    change_percent: Decimal
    volume: Decimal
    bid: Decimal | None
    ask: Decimal | None
    closes: tuple[tuple[int, float], ...]
    """(start of the minute in ms, closing price)."""

    @property
    def spread_percent(self) -> Decimal | None:
        """Distance of the best ask above the best bid, in percent of their middle."""
        if not self.bid or not self.ask:
            return None
        return (self.ask - self.bid) / (self.ask + self.bid) * 200


@dataclass(frozen=True)
class Book:
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class ExchangeReader:
    """Reads of the exchange; raises httpx.HTTPError where it does not answer as it should."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def market(self) -> Market:
        ticker = await self._get("/api/v3/ticker/24hr")
        candles = await self._get("/api/v3/klines", interval="1m", limit=CANDLES_SHOWN)
        return Market(
            last=_price(ticker["lastPrice"]),
            change_percent=Decimal(ticker["priceChangePercent"]),
            volume=Decimal(ticker["volume"]),
            bid=_price(ticker["bidPrice"]),
            ask=_price(ticker["askPrice"]),
            closes=tuple((int(candle[0]), float(candle[4])) for candle in candles),
        )

    async def book(self) -> Book:
        depth = await self._get("/api/v3/depth", limit=DEPTH_SHOWN)
        return Book(_levels(depth["bids"]), _levels(depth["asks"]))

    async def candles(self, interval: str, limit: int) -> list[list[Any]]:
        """Return candles as the exchange has them, oldest first."""
        rows: list[list[Any]] = await self._get("/api/v3/klines", interval=interval, limit=limit)
        return rows

    async def trades(self) -> list[Trade]:
        """Return the latest trades, newest first."""
        rows = await self._get("/api/v3/trades", limit=TRADES_SHOWN)
        trades = [
            Trade(Decimal(row["price"]), Decimal(row["qty"]), row["time"], row["isBuyerMaker"])
            for row in rows
        ]
        return trades[::-1]

    async def _get(self, path: str, **params: str | int) -> Any:
        response = await self._http.get(path, params={"symbol": SYMBOL, **params})
        return response.raise_for_status().json()


def _price(text: str) -> Decimal | None:
    """Read a price; zero is how the exchange says that there is none."""
    return Decimal(text) or None


def _levels(rows: list[list[str]]) -> tuple[Level, ...]:
    levels: list[Level] = []
    cumulative = Decimal(0)
    for price, quantity in rows[:DEPTH_SHOWN]:
        cumulative += Decimal(quantity)
        levels.append(Level(Decimal(price), Decimal(quantity), cumulative))
    return tuple(levels)
