"""Candles of the zone eight hours ahead of UTC, as a stream tells them."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import psycopg
import pytest

from exchange_service.domain.candles import HOUR_MS, find_next_open, find_open
from exchange_service.domain.commands import Side
from exchange_service.domain.facts import Traded
from exchange_service.market.history import History
from exchange_service.settings import ExchangeSettings
from exchange_service.streams.candle_streams import KLINES, CandleStreams
from exchange_service.streams.hub import Hub, Subscriber
from exchange_service.streams.market_socket import TOPICS, normalise

AHEAD = "@+08:00"


def moment(text: str) -> int:
    return int(datetime.fromisoformat(f"2026-{text}+00:00").timestamp() * 1_000)


def make_trade(number: int, time_ms: int, price_sat: int) -> Traded:
    return Traded(
        time_ms, number, price_sat, 10**9, price_sat, Side.BUY, number, 1, 0, 0, number, 2, 0, 0, 0
    )


def hear(history: History, topic: str, moments: Iterable[int]) -> list[dict[str, Any]]:
    """Return what a subscriber hears who is told at these moments."""

    async def listen() -> list[dict[str, Any]]:
        hub, subscriber = Hub(), Subscriber()
        hub.join(subscriber)
        hub.subscribe(subscriber, topic)
        streams, told = CandleStreams(hub, history), []
        hub.publish = lambda topic, event: told.append(event["k"])  # type: ignore[method-assign]
        for now_ms in moments:
            streams.publish(now_ms)
        return told

    return asyncio.run(listen())


@pytest.mark.parametrize(
    ("interval", "opened", "traded", "volume"),
    [
        ("1h", "05-10T17:00", 1, "1.000000000"),
        ("6h", "05-10T16:00", 2, "2.000000000"),
        ("1d", "05-10T16:00", 2, "2.000000000"),
        ("1w", "05-10T16:00", 2, "2.000000000"),
        ("1M", "04-30T16:00", 3, "3.000000000"),
    ],
)
def test_candles_open_by_the_zones_midnight(
    exchange_settings: ExchangeSettings, interval: str, opened: str, traded: int, volume: str
) -> None:
    """10 May 2026 is a Sunday: in the zone, 11 May and the week begin at 16:00 UTC."""
    times = ("04-30T15:59", "05-10T15:59", "05-10T16:01", "05-10T17:30")
    with psycopg.connect(exchange_settings.database_url) as conn:
        history = History(conn)
    history.absorb(make_trade(n, moment(at), 1_000 + n) for n, at in enumerate(times, 1))
    now_ms = moment("05-10T17:45")
    (told,) = hear(history, f"taobtc@kline_{interval}{AHEAD}", [now_ms])
    assert (told["t"], told["n"], told["v"]) == (moment(opened), traded, volume)
    assert told["T"] == find_next_open(told["t"], interval, 8 * HOUR_MS) - 1
    assert told["x"] is False


def test_a_candle_closes_with_all_its_trades(exchange_settings: ExchangeSettings) -> None:
    with psycopg.connect(exchange_settings.database_url) as conn:
        history = History(conn)
    history.absorb([make_trade(1, moment("05-10T15:30"), 1_001)])

    def moments() -> Iterable[int]:
        yield moment("05-10T15:58")
        history.absorb([make_trade(2, moment("05-10T15:59"), 1_002)])
        history.absorb([make_trade(3, moment("05-10T16:00"), 1_003)])
        yield moment("05-10T16:00")

    topic = f"taobtc@kline_1d{AHEAD}"
    growing, closed, opened = hear(history, topic, moments())
    assert [one["x"] for one in (growing, closed, opened)] == [False, True, False]
    assert (closed["t"], closed["n"]) == (moment("05-09T16:00"), 2)
    assert (opened["t"], opened["n"], opened["o"]) == (moment("05-10T16:00"), 1, "0.00001003")


def test_names_and_shifts() -> None:
    assert normalise(f"TAOBTC@kline_1d{AHEAD}") in TOPICS
    assert normalise("taobtc@kline_1d@ 08:00") in TOPICS
    moved = {topic: kline for topic, kline in KLINES.items() if topic.endswith(AHEAD)}
    for interval, ahead_ms in moved.values():
        now_ms = moment("05-10T17:45")
        unmoved = find_open(now_ms, interval) == find_open(now_ms, interval, 8 * HOUR_MS)
        assert ahead_ms or unmoved, "only what a zone does not move is the same in both"
