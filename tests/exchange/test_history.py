"""Candles, aggregates and tickers: drawn as trades happen, and the same after a restart."""

from typing import Any

import psycopg
import pytest

from exchange_service.market.repository import list_newest_candles


def trade(maker: Any, taker: Any, price: str, *quantities: str) -> None:
    """One order takes several that rest at one price."""
    for quantity in quantities:
        maker.limit_order("SELL", price, quantity)
    total = sum(float(quantity) for quantity in quantities)
    taker.limit_order("BUY", price, f"{total:.2f}")


def look(box: Any) -> Any:
    """Return what does not depend on the time of asking."""
    client = box.public
    ticker = client.ticker()
    return (
        client._get("/api/v3/aggTrades", symbol="TAOBTC"),
        client._get("/api/v3/aggTrades", symbol="TAOBTC", fromId=2),
        client._get("/api/v3/historicalTrades", symbol="TAOBTC", fromId=1),
        client.candles("1d")[-1],
        client.candles("1M")[-1],
        {name: ticker[name] for name in ("openPrice", "highPrice", "volume", "count", "lastId")},
    )


def test_history_is_the_same_after_a_restart(start_box: Any) -> None:
    with start_box() as box:
        ann, bob = box.trader("ann", tao=100), box.trader("bob")
        trade(ann, bob, "0.005", "1", "2", "3")
        trade(ann, bob, "0.0049", "1")
        before = look(box)
        settings_url = box.http.app.state.pool.conninfo
    aggregates, _, trades, day, *_ = before
    assert [(one["a"], one["f"], one["l"], one["q"]) for one in aggregates] == [
        (1, 1, 3, "6.000000000"),
        (2, 4, 4, "1.000000000"),
    ]
    assert len(trades) == 4
    assert day[1:6] == ["0.00500000", "0.00500000", "0.00490000", "0.00490000", "7.000000000"]
    with start_box() as box:
        assert look(box) == before
    # What was drawn but not written is drawn again from the trades.
    with psycopg.connect(settings_url, autocommit=True) as conn:
        conn.execute("UPDATE history_mark SET last_trade_id = 0")
        conn.execute("DELETE FROM candle")
        conn.execute("DELETE FROM aggregate_trade")
    with start_box() as box:
        assert look(box) == before
    with psycopg.connect(settings_url) as conn:
        (candle,) = list_newest_candles(conn, "1d", 10)
        assert (candle.first_id, candle.last_id, candle.trades) == (1, 4, 4)


def test_windows_zones_and_forms(box: Any) -> None:
    ann, bob = box.trader("ann", tao=100), box.trader("bob")
    trade(ann, bob, "0.005", "1")
    trade(ann, bob, "0.0055", "1")
    get = box.public._get
    for path, more in (
        ("ticker/24hr", {}),
        ("ticker/tradingDay", {}),
        ("ticker", {"windowSize": "7d"}),
    ):
        ticker = get(f"/api/v3/{path}", symbol="TAOBTC", **more)
        assert (ticker["openPrice"], ticker["lastPrice"]) == ("0.00500000", "0.00550000")
        assert ticker["priceChangePercent"] == "10.000"
        assert ticker["weightedAvgPrice"] == "0.00525000"
        mini = get(f"/api/v3/{path}", symbol="TAOBTC", type="MINI", **more)
        assert "priceChange" not in mini
        assert mini["count"] == 2
    utc = get("/api/v3/klines", symbol="TAOBTC", interval="1d")[-1]
    shifted = get("/api/v3/klines", symbol="TAOBTC", interval="1d", timeZone="5:45")[-1]
    assert (utc[0] - shifted[0]) % 86_400_000 == (5 * 60 + 45) * 60_000
    assert shifted[6] - shifted[0] == 86_400_000 - 1
    assert shifted[5] == utc[5] == "2.000000000"
    for zone in ("15:00", "1:07", "x"):
        answer = box.http.get(f"/api/v3/klines?symbol=TAOBTC&interval=1d&timeZone={zone}")
        assert answer.json()["code"] == -1100


def test_the_books_ids_go_on_after_a_restart(start_box: Any) -> None:
    """Failure mode 13: an id seen before a restart never comes again for another state."""
    with start_box() as box:
        ann = box.trader("ann", tao=100)
        for step in range(5):
            ann.limit_order("SELL", f"0.00{500 + step}", "1")
        seen = box.public.depth()
        key = ann
    with start_box() as box:
        assert box.public.depth() == seen
        key._http = box.http
        key.cancel_all()
        assert box.public.depth()["lastUpdateId"] == seen["lastUpdateId"] + 5


@pytest.mark.parametrize("limit", ["1", "2", "1000", "999999"])
def test_pages_of_aggregates(box: Any, limit: str) -> None:
    ann, bob = box.trader("ann", tao=100), box.trader("bob")
    for step in range(3):
        trade(ann, bob, f"0.00{500 + step}", "1")
    get = box.public._get
    newest = get("/api/v3/aggTrades", symbol="TAOBTC", limit=limit)
    assert [one["a"] for one in newest] == [1, 2, 3][-min(3, int(limit)) :]
    first = get("/api/v3/aggTrades", symbol="TAOBTC", limit=limit, fromId=1)
    assert [one["a"] for one in first] == [1, 2, 3][: min(3, int(limit))]
    times = {"startTime": first[0]["T"], "endTime": newest[-1]["T"]}
    assert get("/api/v3/aggTrades", symbol="TAOBTC", limit=limit, **times)[0]["a"] == 1
    assert get("/api/v3/aggTrades", symbol="TAOBTC", limit=limit, endTime=1) == []
