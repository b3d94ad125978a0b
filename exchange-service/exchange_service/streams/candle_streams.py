"""Candles as they grow, for those who listen: of UTC, and of the time zone that Binance offers."""

from typing import Final

from exchange_service.domain.candles import (
    HOUR_MS,
    INTERVALS_MS,
    Candle,
    find_next_open,
    find_open,
    flat_candle,
)
from exchange_service.domain.symbol import SYMBOL
from exchange_service.market.history import History
from exchange_service.streams.hub import Hub
from exchange_service.streams.market_events import candle_event

ZONES_MS: Final = {"": 0, "@+08:00": 8 * HOUR_MS}
KLINES: Final = {
    f"{SYMBOL.lower()}@kline_{interval}{zone}": (interval, ahead_ms % length_ms and ahead_ms)
    for zone, ahead_ms in ZONES_MS.items()
    for interval, length_ms in INTERVALS_MS.items()
}
"""Every stream of candles: its interval, and by how much its zone moves that ahead of UTC."""


class CandleStreams:
    """What was told last of the candles that somebody listens to."""

    def __init__(self, hub: Hub, history: History) -> None:
        self._hub = hub
        self._history = history
        self._told: dict[str, Candle] = {}
        """By stream."""

    def publish(self, now_ms: int) -> None:
        """Tell what has changed since the last time: once a second is often enough."""
        for topic, (interval, ahead_ms) in KLINES.items():
            if topic not in self._hub.topics:
                self._told.pop(topic, None)
                continue
            for candle, closed in self._list_changed(topic, interval, ahead_ms, now_ms):
                event = candle_event(candle, interval, closed, now_ms, ahead_ms)
                self._hub.publish(topic, event)

    def _list_changed(
        self, topic: str, interval: str, ahead_ms: int, now_ms: int
    ) -> list[tuple[Candle, bool]]:
        """Return the candle that closed since the last time, if one did, and the present one."""
        newest = self._history.newest(interval)
        if newest is None:
            return []
        open_ms = find_open(now_ms, interval, ahead_ms)
        present = self._history.find(interval, open_ms, ahead_ms)
        present = present or flat_candle(open_ms, newest.close_sat)
        before, self._told[topic] = self._told.get(topic), present
        told = [] if before == present else [(present, False)]
        if before is not None and find_next_open(before.open_ms, interval, ahead_ms) <= open_ms:
            final = self._history.find(interval, before.open_ms, ahead_ms) or before
            return [(final, True), *told]
        return told
