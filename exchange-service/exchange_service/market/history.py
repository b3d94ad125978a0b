"""What was traded, drawn as it happens: candles of all intervals, aggregates, the last trades.

Everything recent is in memory and answers most questions. A thread writes what has changed to the
tables once a second, in one transaction with the id of the last trade it has drawn; a start goes on
from there. So the tables are never more than the trades, and never drawn twice.
"""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby, islice
from typing import Final, NamedTuple, Protocol

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool, PoolTimeout

from exchange_service.domain.candles import (
    INTERVALS_MS,
    MINUTE_MS,
    Candle,
    TradeLike,
    find_next_open,
    find_open,
    flat_candle,
    merge_candles,
)
from exchange_service.feed import Commit
from exchange_service.market import repository
from exchange_service.market.repository import AggregateTrade, PublicTrade
from exchange_service.parameters import TIME_MAX
from taonet.kit.db import begin
from taonet.kit.logging import get_logger

KEEP: Final = 1_500
"""Candles of an interval in memory."""
KEEP_MINUTES: Final = 7 * 24 * 60 + 60
"""Minutes in memory: enough for the longest rolling window."""
KEEP_TRADES: Final = 5_000
WRITE_SECONDS: Final = 1.0
SHIFT_PERIOD: Final = "15m"
"""What candles of other time zones are put together from: no zone is off by less."""
ZONE_PERIOD: Final = "2h"
"""The same for a zone eight hours ahead: of these, more than a month is in memory."""

log = get_logger(__name__)


class DrawnTrade(TradeLike, Protocol):
    """A trade that says whose fills it belongs to."""

    @property
    def taker_order_id(self) -> int: ...


class Unwritten(NamedTuple):
    """What the tables do not know yet, as it stands after the last trade named."""

    candles: list[tuple[str, Candle]]
    aggregates: list[AggregateTrade]
    last_trade_id: int


class Series:
    """The newest candles of one interval that have trades, in order of time."""

    def __init__(self, interval: str, keep: int, candles: Iterable[Candle], whole: bool) -> None:
        self.interval = interval
        self.keep = keep
        self.candles = {candle.open_ms: candle for candle in candles}
        self.complete_from = 0 if whole else next(iter(self.candles), 0)
        """From this open on, what is not here was not traded."""
        self.changed: set[int] = set()

    def add(self, trade: TradeLike) -> None:
        open_ms = find_open(trade.time_ms, self.interval)
        candle = self.candles.get(open_ms)
        if candle is None:
            candle = self.candles[open_ms] = flat_candle(open_ms, trade.price_sat)
        candle.add(trade)
        self.changed.add(open_ms)

    def forget_oldest(self) -> None:
        """Drop what is too many; only what is written may go."""
        while len(self.candles) > self.keep and (oldest := next(iter(self.candles))):
            if oldest in self.changed:
                return
            del self.candles[oldest]
            self.complete_from = next(iter(self.candles))

    def newest(self) -> Candle | None:
        return next(reversed(self.candles.values()), None)

    def since(self, start_ms: int) -> list[Candle]:
        """Return the candles that opened at a moment or later, oldest first."""
        found = []
        for candle in reversed(self.candles.values()):
            if candle.open_ms < start_ms:
                break
            found.append(candle)
        return found[::-1]


class History:
    """Candles, aggregates and trades: drawn by `absorb`, asked by anybody, written by `write`."""

    def __init__(self, conn: Connection) -> None:
        self._lock = threading.Lock()
        self._drawn_id = self._written_id = repository.find_mark(conn)
        self._aggregate_id = repository.find_last_aggregate(conn)
        self.aggregates: deque[AggregateTrade] = deque(maxlen=KEEP_TRADES)
        self.aggregates.extend(repository.list_aggregates(conn, 0, 0, TIME_MAX, KEEP_TRADES))
        self.trades: deque[PublicTrade] = deque(maxlen=KEEP_TRADES)
        self._unwritten: list[AggregateTrade] = []
        self._series = {interval: self._load(conn, interval) for interval in INTERVALS_MS}
        self._catch_up(conn)

    def _load(self, conn: Connection, interval: str) -> Series:
        keep = KEEP_MINUTES if interval == "1m" else KEEP
        candles = repository.list_newest_candles(conn, interval, keep)
        return Series(interval, keep, candles, whole=len(candles) < keep)

    def _catch_up(self, conn: Connection) -> None:
        """Draw the trades that were made while nobody drew, and remember the newest."""
        late = 0
        trades = repository.stream_trades(conn, self._drawn_id)
        for _, group in groupby(trades, key=lambda trade: (trade.taker_order_id, trade.price_sat)):
            batch = list(group)
            late += len(batch)
            self.absorb(batch)
        self.trades.clear()
        self.trades.extend(repository.list_newest_trades(conn, KEEP_TRADES))
        if late:
            log.info("history caught up", trades=late)

    # Drawing

    def follow(self, commit: Commit) -> None:
        """Draw the trades of a commit: what the engine calls."""
        if commit.trades:
            self.absorb(commit.trades)

    def absorb(self, trades: Iterable[DrawnTrade]) -> list[AggregateTrade]:
        """Draw trades, those of one taker complete; return their aggregates."""
        fresh = []
        with self._lock:
            for _, group in groupby(trades, key=lambda one: (one.taker_order_id, one.price_sat)):
                fills = list(group)
                self._aggregate_id += 1
                fresh.append(aggregate(self._aggregate_id, fills))
                for trade in fills:
                    self._draw(trade)
            self.aggregates.extend(fresh)
            self._unwritten.extend(fresh)
        return fresh

    def _draw(self, trade: DrawnTrade) -> None:
        for series in self._series.values():
            series.add(trade)
        self._drawn_id = trade.trade_id
        self.trades.append(
            PublicTrade(
                trade.trade_id,
                trade.time_ms,
                trade.price_sat,
                trade.quantity_rao,
                trade.quote_sat,
                trade.taker_side,
                trade.taker_order_id,
            )
        )

    # Asking

    def newest(self, interval: str) -> Candle | None:
        """Return the last candle that has trades."""
        with self._lock:
            newest = self._series[interval].newest()
            return replace(newest) if newest else None

    def find(self, interval: str, open_ms: int, ahead_ms: int = 0) -> Candle | None:
        """Return a copy of a candle in memory, if it has trades; in another zone, of the newest."""
        with self._lock:
            if ahead_ms:
                end_ms = find_next_open(open_ms, interval, ahead_ms)
                parts = self._series[ZONE_PERIOD].since(open_ms)
                return merge_candles(open_ms, (one for one in parts if one.open_ms < end_ms))
            candle = self._series[interval].candles.get(open_ms)
            return replace(candle) if candle else None

    def aggregates_after(self, aggregate_id: int) -> list[AggregateTrade]:
        """Return the aggregates in memory that came after one, oldest first."""
        with self._lock:
            fresh = len(self.aggregates) and self.aggregates[-1].aggregate_id - aggregate_id
            return list(islice(self.aggregates, max(0, len(self.aggregates) - fresh), None))

    def window(self, start_ms: int) -> Candle | None:
        """Return all that was traded since the minute of a moment, up to seven days ago."""
        minute = find_open(start_ms, "1m")
        with self._lock:
            return merge_candles(minute, self._series["1m"].since(minute))

    def newest_trades(self, limit: int) -> list[PublicTrade]:
        with self._lock:
            return list(self.trades)[-limit:]

    def newest_aggregates(self, limit: int) -> list[AggregateTrade]:
        with self._lock:
            return list(self.aggregates)[-limit:]

    def candles(
        self, conn: Connection, interval: str, opens: list[int], end_ms: int, ahead_ms: int = 0
    ) -> dict[int, Candle]:
        """Return the candles with trades that open at `opens`, from memory where it reaches."""
        if ahead_ms:
            return self._shifted(conn, opens, end_ms)
        with self._lock:
            series = self._series[interval]
            found = {
                open_ms: candle for open_ms in opens if (candle := series.candles.get(open_ms))
            }
            older_than = series.complete_from
        if opens and opens[0] < older_than:
            older = repository.list_candles(conn, interval, opens[0], min(end_ms, older_than))
            found.update({candle.open_ms: candle for candle in older})
        return found

    def _shifted(self, conn: Connection, opens: list[int], end_ms: int) -> dict[int, Candle]:
        """Put together the candles of another time zone from quarters of an hour."""
        quarters = range(opens[0], end_ms, INTERVALS_MS[SHIFT_PERIOD])
        parts = self.candles(conn, SHIFT_PERIOD, list(quarters), end_ms)
        found = {}
        for open_ms, following in zip(opens, [*opens[1:], end_ms], strict=True):
            span = range(open_ms, following, INTERVALS_MS[SHIFT_PERIOD])
            whole = merge_candles(open_ms, (parts[part] for part in span if part in parts))
            if whole is not None:
                found[open_ms] = whole
        return found

    def price_before(self, conn: Connection, time_ms: int) -> int:
        """Return the close of the last minute that ended before a moment; 0 if there was none."""
        limit_ms = find_open(time_ms, "1m")
        with self._lock:
            for candle in reversed(self._series["1m"].candles.values()):
                if candle.open_ms + MINUTE_MS <= limit_ms:
                    return candle.close_sat
        return repository.find_close_before(conn, limit_ms)

    # Writing

    def take_unwritten(self) -> Unwritten:
        with self._lock:
            # Copies: the next trade must not get into a candle that is being written.
            candles = [
                (interval, replace(series.candles[open_ms]))
                for interval, series in self._series.items()
                for open_ms in sorted(series.changed)
            ]
            for series in self._series.values():
                series.changed.clear()
            return Unwritten(candles, list(self._unwritten), self._drawn_id)

    def note_written(self, unwritten: Unwritten) -> None:
        """Let go of what is safe now."""
        with self._lock:
            self._written_id = unwritten.last_trade_id
            del self._unwritten[: len(unwritten.aggregates)]
            for series in self._series.values():
                series.forget_oldest()

    def note_failed(self, unwritten: Unwritten) -> None:
        """Keep what could not be written for the next time."""
        with self._lock:
            for interval, candle in unwritten.candles:
                self._series[interval].changed.add(candle.open_ms)

    def write(self, pool: ConnectionPool) -> None:
        """Write what has changed; nothing if nothing has."""
        if self._drawn_id == self._written_id:
            return
        candles, aggregates, last_id = unwritten = self.take_unwritten()
        try:
            with begin(pool) as conn:
                repository.save_history(conn, candles, aggregates, self._written_id, last_id)
        except BaseException:
            self.note_failed(unwritten)
            raise
        self.note_written(unwritten)

    def keep_writing(self, pool: ConnectionPool, stop: threading.Event) -> None:
        """Write once a second until told to stop, and then a last time."""
        while not stop.wait(WRITE_SECONDS):
            self._try_to_write(pool)
        self._try_to_write(pool)

    def _try_to_write(self, pool: ConnectionPool) -> None:
        try:
            self.write(pool)
        except (psycopg.OperationalError, PoolTimeout) as error:
            log.warning("history waits for the database", error=str(error).strip())


def aggregate(aggregate_id: int, fills: list[DrawnTrade]) -> AggregateTrade:
    """Return the fills of one taker order at one price as one."""
    first, last = fills[0], fills[-1]
    return AggregateTrade(
        aggregate_id,
        first.trade_id,
        last.trade_id,
        first.time_ms,
        first.price_sat,
        sum(trade.quantity_rao for trade in fills),
        first.taker_side,
    )
