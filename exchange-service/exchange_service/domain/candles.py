"""Candles: where each interval opens and closes (UTC), and what stands in one without trades."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
WEEK_MS: Final = 7 * DAY_MS
FIRST_MONDAY_MS: Final = 4 * DAY_MS
"""1970-01-05: weeks open on Mondays."""
DAYS_IN_400_YEARS: Final = 146_097
DAYS_TO_1970: Final = 719_468
"""Days from 1 March of the year 0 to 1970-01-01."""
NO_TRADE: Final = -1
"""The id where there is no trade."""
MONTH: Final = "1M"
WEEK: Final = "1w"

INTERVALS_MS: Final = {
    "1s": SECOND_MS,
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    WEEK: WEEK_MS,
    MONTH: 30 * DAY_MS,
}
"""Length of each interval; a month's is nominal, its calendar rules."""


class TradeLike(Protocol):
    """What a candle needs to know of a trade."""

    @property
    def trade_id(self) -> int: ...
    @property
    def time_ms(self) -> int: ...
    @property
    def price_sat(self) -> int: ...
    @property
    def quantity_rao(self) -> int: ...
    @property
    def quote_sat(self) -> int: ...
    @property
    def taker_side(self) -> str: ...


@dataclass(slots=True)
class Candle:
    """What was traded from `open_ms` on, until the next candle opens."""

    open_ms: int
    open_sat: int
    high_sat: int
    low_sat: int
    close_sat: int
    volume_rao: int = 0
    quote_sat: int = 0
    trades: int = 0
    taker_buy_rao: int = 0
    taker_buy_sat: int = 0
    first_id: int = NO_TRADE
    last_id: int = NO_TRADE

    def add(self, trade: TradeLike) -> None:
        """Draw one more trade, the newest."""
        self.high_sat = max(self.high_sat, trade.price_sat)
        self.low_sat = min(self.low_sat, trade.price_sat)
        self.close_sat = trade.price_sat
        self.volume_rao += trade.quantity_rao
        self.quote_sat += trade.quote_sat
        self.trades += 1
        if trade.taker_side == "BUY":
            self.taker_buy_rao += trade.quantity_rao
            self.taker_buy_sat += trade.quote_sat
        if self.first_id == NO_TRADE:
            self.first_id = trade.trade_id
        self.last_id = trade.trade_id


def flat_candle(open_ms: int, price_sat: int) -> Candle:
    """Return the candle of an interval without trades: it stands at the price before."""
    return Candle(open_ms, price_sat, price_sat, price_sat, price_sat)


def merge_candles(open_ms: int, candles: Iterable[Candle]) -> Candle | None:
    """Return one candle over several that follow each other, those without trades left out."""
    whole: Candle | None = None
    for candle in candles:
        if not candle.trades:
            continue
        if whole is None:
            whole = replace(candle, open_ms=open_ms)
            continue
        whole.high_sat = max(whole.high_sat, candle.high_sat)
        whole.low_sat = min(whole.low_sat, candle.low_sat)
        whole.close_sat = candle.close_sat
        whole.volume_rao += candle.volume_rao
        whole.quote_sat += candle.quote_sat
        whole.trades += candle.trades
        whole.taker_buy_rao += candle.taker_buy_rao
        whole.taker_buy_sat += candle.taker_buy_sat
        whole.last_id = candle.last_id
    return whole


def find_open(time_ms: int, interval: str, ahead_ms: int = 0) -> int:
    """Return when the candle that holds this moment opened, in a zone so far ahead of UTC."""
    if ahead_ms:
        return find_open(time_ms + ahead_ms, interval) - ahead_ms
    if interval == MONTH:
        return _first_of_month_ms(_count_months(time_ms // DAY_MS))
    offset_ms = FIRST_MONDAY_MS if interval == WEEK else 0
    return time_ms - (time_ms - offset_ms) % INTERVALS_MS[interval]


def find_next_open(open_ms: int, interval: str, ahead_ms: int = 0) -> int:
    """Return when the candle after the one opened at `open_ms` opens."""
    if ahead_ms:
        return find_next_open(open_ms + ahead_ms, interval) - ahead_ms
    if interval == MONTH:
        return _first_of_month_ms(_count_months(open_ms // DAY_MS) + 1)
    return open_ms + INTERVALS_MS[interval]


def list_opens(
    start_ms: int, end_ms: int, interval: str, limit: int, newest: bool, ahead_ms: int = 0
) -> list[int]:
    """Return the opens from `start_ms` to `end_ms`: the first `limit` of them, or the last."""
    if newest:
        # Longer than any month, so that this many are never too few.
        reach_ms = limit * (INTERVALS_MS[interval] + (DAY_MS if interval == MONTH else 0))
        start_ms = max(start_ms, end_ms - reach_ms)
    following = find_open(start_ms, interval, ahead_ms)
    if following < start_ms:
        following = find_next_open(following, interval, ahead_ms)
    opens: list[int] = []
    while following <= end_ms and (newest or len(opens) < limit):
        opens.append(following)
        following = find_next_open(following, interval, ahead_ms)
    return opens[-limit:] if newest else opens


def fill_gaps(opens: list[int], traded: Mapping[int, Candle], close_sat: int) -> list[Candle]:
    """Return a candle for each open: without trades a flat one, at the close before it.

    `close_sat` is the last price before the first open; while it is 0 there is nothing to draw.
    """
    candles = []
    for open_ms in opens:
        candle = traded.get(open_ms)
        if candle is None:
            candle = flat_candle(open_ms, close_sat)
        close_sat = candle.close_sat
        if close_sat:
            candles.append(candle)
    return candles


def _count_months(day: int) -> int:
    """Return the months from 1970-01 to the month of a day, counted from 1970-01-01."""
    months = day * 12 * 400 // DAYS_IN_400_YEARS
    while _first_of_month_ms(months + 1) <= day * DAY_MS:
        months += 1
    while _first_of_month_ms(months) > day * DAY_MS:
        months -= 1
    return months


def _first_of_month_ms(months: int) -> int:
    """Return when a month begins, in the Gregorian calendar; 0 is January 1970."""
    # Years are counted from March, so that the leap day is the last of its year.
    year, month = divmod(months + 10, 12)
    year += 1969
    days = year * 365 + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5
    return (days - DAYS_TO_1970) * DAY_MS
