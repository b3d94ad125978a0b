"""Tickers: what a window of time comes to, from the minutes in memory."""

from decimal import Decimal
from typing import Final, NamedTuple

from psycopg import Connection

from exchange_service.domain.candles import DAY_MS, HOUR_MS, MINUTE_MS, NO_TRADE, find_open
from exchange_service.domain.symbol import RAO_PER_TAO
from exchange_service.market.history import History

AVERAGE_MINUTES: Final = 5
WINDOWS_MS: Final = {
    **{f"{minutes}m": minutes * MINUTE_MS for minutes in range(1, 60)},
    **{f"{hours}h": hours * HOUR_MS for hours in range(1, 24)},
    **{f"{days}d": days * DAY_MS for days in range(1, 8)},
}
"""The rolling windows one may ask for."""


class Ticker(NamedTuple):
    """What was traded in a window; without trades, everything stands at the price before."""

    open_ms: int
    close_ms: int
    open_sat: int
    high_sat: int
    low_sat: int
    last_sat: int
    before_sat: int
    """The last price before the window."""
    volume_rao: int
    quote_sat: int
    first_id: int
    last_id: int
    trades: int

    @property
    def change_sat(self) -> int:
        return self.last_sat - self.open_sat

    @property
    def percent(self) -> str:
        """The change in percent of the open."""
        share = Decimal(self.change_sat) / self.open_sat if self.open_sat else Decimal(0)
        return f"{share * 100:.3f}"

    @property
    def average_sat(self) -> int:
        """The price weighted by volume, cut to whole satoshi."""
        if not self.volume_rao:
            return self.last_sat
        return self.quote_sat * RAO_PER_TAO // self.volume_rao


def read_ticker(history: History, conn: Connection, start_ms: int, now_ms: int) -> Ticker:
    """Return the ticker from the minute that holds `start_ms` until now."""
    open_ms = find_open(start_ms, "1m")
    before_sat = history.price_before(conn, open_ms)
    whole = history.window(open_ms)
    if whole is None:
        flat = (before_sat,) * 5
        return Ticker(open_ms, now_ms, *flat, 0, 0, NO_TRADE, NO_TRADE, 0)
    return Ticker(
        open_ms,
        now_ms,
        whole.open_sat,
        whole.high_sat,
        whole.low_sat,
        whole.close_sat,
        before_sat,
        whole.volume_rao,
        whole.quote_sat,
        whole.first_id,
        whole.last_id,
        whole.trades,
    )
