from datetime import UTC, datetime

import pytest

from exchange_service.domain.candles import (
    DAY_MS,
    HOUR_MS,
    Candle,
    fill_gaps,
    find_next_open,
    find_open,
    list_opens,
)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    ("moment", "interval", "opened", "following"),
    [
        ("2024-02-29T23:59:59", "1M", "2024-02-01", "2024-03-01"),
        ("2026-12-31T23:00:00", "1M", "2026-12-01", "2027-01-01"),
        ("1970-01-01T00:00:00", "1M", "1970-01-01", "1970-02-01"),
        ("2026-11-22T19:00:00", "1w", "2026-11-16", "2026-11-23"),
        ("2026-11-22T19:07:30", "15m", "2026-11-22T19:00:00", "2026-11-22T19:15:00"),
        ("2026-11-22T19:07:30", "1d", "2026-11-22", "2026-11-23"),
    ],
)
def test_where_candles_open(moment: str, interval: str, opened: str, following: str) -> None:
    assert ms(opened) == find_open(ms(moment), interval)
    assert ms(following) == find_next_open(ms(opened), interval)


def test_months_agree_with_the_calendar() -> None:
    opened = 0
    for months in range(1, 12 * 200):
        opened = find_next_open(opened, "1M")
        expected = datetime(1970 + months // 12, months % 12 + 1, 1, tzinfo=UTC)
        assert int(expected.timestamp()) * 1000 == opened
        assert opened == find_open(opened + 27 * DAY_MS, "1M")


def test_the_first_and_the_newest() -> None:
    end = 10 * HOUR_MS + 5
    assert list_opens(1, end, "1h", 2, newest=False) == [HOUR_MS, 2 * HOUR_MS]
    assert list_opens(0, end, "1h", 2, newest=True) == [9 * HOUR_MS, 10 * HOUR_MS]
    assert len(list_opens(0, ms("2026-11-22"), "1M", 3, newest=True)) == 3


def test_gaps_are_flat_and_nothing_is_drawn_before_the_first_trade() -> None:
    traded = Candle(HOUR_MS, 5, 9, 4, 7, 1, 1, 1, 0, 0)
    opens = [0, HOUR_MS, 2 * HOUR_MS]
    candles = fill_gaps(opens, {HOUR_MS: traded}, close_sat=0)
    assert [traded, Candle(2 * HOUR_MS, 7, 7, 7, 7, 0, 0, 0, 0, 0)] == candles
