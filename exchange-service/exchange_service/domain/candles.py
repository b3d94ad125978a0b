"""Candles: where each interval opens and closes (UTC), and what stands in one without trades."""

from typing import Final, NamedTuple

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


class Candle(NamedTuple):
    """What was traded from `open_ms` on, until the next candle opens."""

    open_ms: int
    open_sat: int
    high_sat: int
    low_sat: int
    close_sat: int
    volume_rao: int
    quote_sat: int
    trades: int
    taker_buy_rao: int
    taker_buy_sat: int


def find_open(time_ms: int, interval: str) -> int:
    """Return when the candle that holds this moment opened."""
    if interval == MONTH:
        return _first_of_month_ms(_count_months(time_ms // DAY_MS))
    offset_ms = FIRST_MONDAY_MS if interval == WEEK else 0
    return time_ms - (time_ms - offset_ms) % INTERVALS_MS[interval]


def find_next_open(open_ms: int, interval: str) -> int:
    """Return when the candle after the one opened at `open_ms` opens."""
    if interval == MONTH:
        return _first_of_month_ms(_count_months(open_ms // DAY_MS) + 1)
    return open_ms + INTERVALS_MS[interval]


def list_opens(start_ms: int, end_ms: int, interval: str, limit: int, newest: bool) -> list[int]:
    """Return the opens from `start_ms` to `end_ms`: the first `limit` of them, or the last."""
    if newest:
        # Longer than any month, so that this many are never too few.
        reach_ms = limit * (INTERVALS_MS[interval] + (DAY_MS if interval == MONTH else 0))
        start_ms = max(start_ms, end_ms - reach_ms)
    following = find_open(start_ms, interval)
    if following < start_ms:
        following = find_next_open(following, interval)
    opens: list[int] = []
    while following <= end_ms and (newest or len(opens) < limit):
        opens.append(following)
        following = find_next_open(following, interval)
    return opens[-limit:] if newest else opens


def fill_gaps(opens: list[int], traded: dict[int, Candle], close_sat: int) -> list[Candle]:
    """Return a candle for each open: without trades a flat one, at the close before it.

    `close_sat` is the last price before the first open; while it is 0 there is nothing to draw.
    """
    candles = []
    for open_ms in opens:
        candle = traded.get(open_ms)
        if candle is None:
            candle = Candle(open_ms, close_sat, close_sat, close_sat, close_sat, 0, 0, 0, 0, 0)
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
