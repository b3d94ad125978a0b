"""From commits to events: what the engine has done becomes what subscribers hear.

The engine's thread only hands commits over; all the writing is done here, in the event loop, and
only for topics that somebody listens to. The diffs of the book carry the book's own update ids:
each event begins where the one before it ended, also across a restart.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from psycopg_pool import ConnectionPool

from exchange_service.domain.book import BUY
from exchange_service.domain.candles import DAY_MS, MINUTE_MS
from exchange_service.domain.commands import Side
from exchange_service.domain.symbol import SYMBOL
from exchange_service.feed import Commit
from exchange_service.market.history import History
from exchange_service.market.tickers import AVERAGE_MINUTES, WINDOWS_MS, Ticker, read_ticker
from exchange_service.market_view import MarketView
from exchange_service.streams.candle_streams import KLINES, CandleStreams
from exchange_service.streams.hub import Hub
from exchange_service.streams.market_events import (
    aggregate_event,
    average_event,
    book_event,
    day_event,
    depth_event,
    mini_ticker_event,
    partial_depth,
    trade_event,
    window_event,
)
from exchange_service.streams.reports import Reporter
from exchange_service.web import now_ms
from taonet.kit.db import begin
from taonet.kit.logging import get_logger

PREFIX: Final = SYMBOL.lower()
FAST_SECONDS: Final = 0.1
SLOW_TICKS: Final = 10
"""A second is ten fast ticks."""
PARTIAL_LEVELS: Final = (5, 10, 20)
TICKER_WINDOWS: Final = ("1h", "4h", "1d")

log = get_logger(__name__)


class DepthChanges:
    """Levels changed since the last event of one speed."""

    def __init__(self, update_id: int) -> None:
        self.sent_id = update_id
        self.levels: dict[tuple[Side, int], int] = {}

    def note(self, commit: Commit) -> None:
        for side, price_sat, quantity_rao in commit.levels:
            self.levels[side, price_sat] = quantity_rao

    def take(self, update_id: int) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]]:
        """Return the event's first id, its bids and its asks, and begin anew."""
        first_id, self.sent_id = self.sent_id + 1, update_id
        bids = [(price, left) for (side, price), left in self.levels.items() if side is BUY]
        asks = [(price, left) for (side, price), left in self.levels.items() if side is not BUY]
        self.levels.clear()
        return first_id, sorted(bids, reverse=True), sorted(asks)


class Publisher:
    """Turns commits into events, and tells the time to what is published by the clock."""

    def __init__(
        self,
        hub: Hub,
        market: MarketView,
        history: History,
        reporter: Reporter,
        pool: ConnectionPool,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.hub = hub
        self.market = market
        self.history = history
        self.reporter = reporter
        self._pool = pool
        self._loop = loop
        self._update_id = market.depth(0).update_id
        self._fast, self._slow = DepthChanges(self._update_id), DepthChanges(self._update_id)
        self._best = market.best()
        self._aggregate_id = self._newest_aggregate()
        self._candles = CandleStreams(hub, history)
        self._moved = True
        """Whether anything happened since the last second."""

    def follow(self, commit: Commit) -> None:
        """Take a commit over into the event loop: what the engine calls in its thread."""
        self._loop.call_soon_threadsafe(self._take, commit)

    def _take(self, commit: Commit) -> None:
        self._moved = True
        now = now_ms()
        for account_id, event in self.reporter.report(commit, self.hub.watchers, now):
            self.hub.tell(account_id, event)
        if commit.trades:
            self._publish_trades(commit, now)
        self._update_id = commit.update_id
        self._fast.note(commit)
        self._slow.note(commit)
        self._publish_best()

    def _publish_trades(self, commit: Commit, now: int) -> None:
        for trade in commit.trades:
            self.hub.publish(f"{PREFIX}@trade", trade_event(trade, now))
        for aggregate in self.history.aggregates_after(self._aggregate_id):
            self._aggregate_id = aggregate.aggregate_id
            self.hub.publish(f"{PREFIX}@aggTrade", aggregate_event(aggregate, now))

    def _publish_best(self) -> None:
        topic = f"{PREFIX}@bookTicker"
        if topic not in self.hub.topics:
            return
        best = self.market.best()
        if best != self._best:
            self._best = best
            self.hub.publish(topic, book_event(self._update_id, *best))

    def _newest_aggregate(self) -> int:
        newest = self.history.newest_aggregates(1)
        return newest[0].aggregate_id if newest else 0

    # By the clock

    async def keep_time(self) -> None:
        """Publish what goes out every tenth of a second, and every second, for ever."""
        tick, due = 0, self._loop.time()
        while True:
            tick, due = tick + 1, due + FAST_SECONDS
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            await self._safely(self._every_tick)
            if tick % SLOW_TICKS == 0:
                await self._safely(self._every_second)

    async def _safely(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:
            # The next tick is a new chance; a stream that stops for good would be worse.
            log.error("a tick of the streams failed", exc_info=error)

    async def _every_tick(self) -> None:
        self._publish_depth(self._fast, "@100ms")

    async def _every_second(self) -> None:
        self._publish_depth(self._slow, "")
        self._candles.publish(now_ms())
        if self._moved:
            self._moved = False
            await self._publish_tickers()

    def _publish_depth(self, changes: DepthChanges, speed: str) -> None:
        if changes.sent_id == self._update_id:
            return
        now = now_ms()
        first_id, bids, asks = changes.take(self._update_id)
        event = depth_event(first_id, self._update_id, bids, asks, now)
        self.hub.publish(f"{PREFIX}@depth{speed}", event)
        for count in PARTIAL_LEVELS:
            topic = f"{PREFIX}@depth{count}{speed}"
            if topic in self.hub.topics:
                self.hub.publish(topic, partial_depth(*self.market.depth(count)))

    async def _publish_tickers(self) -> None:
        now = now_ms()
        topics = {
            "ticker": DAY_MS,
            "miniTicker": DAY_MS,
            "avgPrice": AVERAGE_MINUTES * MINUTE_MS,
            **{f"ticker_{window}": WINDOWS_MS[window] for window in TICKER_WINDOWS},
        }
        for name, length_ms in topics.items():
            wanted = [f"{PREFIX}@{name}", f"!{name}@arr"]
            if any(topic in self.hub.topics for topic in wanted):
                ticker = await asyncio.to_thread(self._read_ticker, now - length_ms, now)
                event = self._write_ticker(name, ticker, now)
                self.hub.publish(wanted[0], event)
                self.hub.publish(wanted[1], [event])

    def _read_ticker(self, start_ms: int, now: int) -> Ticker:
        with begin(self._pool) as conn:
            return read_ticker(self.history, conn, start_ms, now)

    def _write_ticker(self, name: str, ticker: Ticker, now: int) -> dict[str, object]:
        match name:
            case "ticker":
                last = self.market.last_trade()
                last_rao = last.quantity_rao if last else 0
                return day_event(ticker, last_rao, *self.market.best(), now)
            case "miniTicker":
                return mini_ticker_event(ticker, now)
            case "avgPrice":
                return average_event(ticker, AVERAGE_MINUTES, now)
            case _:
                return window_event(ticker, f"{name.removeprefix('ticker_')}Ticker", now)


def list_topics() -> set[str]:
    """Return every stream there is."""
    own = ["trade", "aggTrade", "bookTicker", "ticker", "miniTicker", "avgPrice"]
    own += [f"ticker_{window}" for window in TICKER_WINDOWS]
    own += [f"depth{count}{speed}" for count in ("", 5, 10, 20) for speed in ("", "@100ms")]
    everyones = ["ticker", "miniTicker", *(f"ticker_{window}" for window in TICKER_WINDOWS)]
    named = {f"{PREFIX}@{name}" for name in own} | {f"!{name}@arr" for name in everyones}
    return named | set(KLINES)
