"""The market maker and the simulated takers, on a real exchange."""

import random
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_service.domain.commands import Side
from exchange_service.domain.quoting import drift_fair, plan_quotes
from exchange_service.flow import SimulatedTrader, ensure_keys, simulate
from exchange_service.maker import MAKER, TAKER, MarketMaker


@given(
    fair=st.integers(100, 10**8),
    rao=st.integers(0, 10**14),
    sat=st.integers(0, 10**10),
)
def test_quotes_never_cross_and_never_promise_too_much(fair: int, rao: int, sat: int) -> None:
    quotes = plan_quotes(fair, rao, sat)
    asks = [quote for quote in quotes if quote.side is Side.SELL]
    bids = [quote for quote in quotes if quote.side is Side.BUY]
    if asks and bids:
        assert max(bid.price_sat for bid in bids) < min(ask.price_sat for ask in asks)
    assert sum(ask.quantity_rao for ask in asks) <= rao
    assert sum(bid.price_sat * bid.quantity_rao for bid in bids) // 10**9 * 1.01 <= sat


def test_the_maker_leans_against_its_inventory() -> None:
    rich_in_tao = plan_quotes(500_000, 300 * 10**9, 10**7)
    rich_in_btc = plan_quotes(500_000, 3 * 10**9, 10**8)
    assert rich_in_tao[0].price_sat < rich_in_btc[0].price_sat


def test_the_fair_price_comes_back_to_its_anchor() -> None:
    fair = 900_000
    for _ in range(1_000):
        fair = drift_fair(fair, 500_000, 0)
    assert abs(fair - 500_000) < 500


def test_a_market_comes_alive(box: Any, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys = ensure_keys(box.public, path, [MAKER, TAKER])
    assert keys == ensure_keys(box.public, path, [MAKER, TAKER])
    assert path.stat().st_mode & 0o777 == 0o600
    maker_client, taker_client = box.client(**keys[MAKER]), box.client(**keys[TAKER])
    assert maker_client.deposit_address() == box.public.market_maker().deposit_address
    maker = MarketMaker(maker_client, random.Random(1), 500_000)
    takers = SimulatedTrader(taker_client, random.Random(1))

    maker.step()
    assert maker_client.open_orders() == []
    box.deposit(maker_client.account()["uid"], 50)
    for _ in range(30):
        maker.step()
        takers.step()

    assert 50_000_000_000 >= box.public.market_maker().tao_rao > 40_000_000_000
    assert len(maker_client.open_orders()) >= 9
    ticker = box.public.ticker()
    assert int(ticker["count"]) > 10
    assert float(ticker["bidPrice"]) < float(ticker["askPrice"])
    sides = {trade["isBuyerMaker"] for trade in box.public.trades()}
    assert {True, False} == sides
    assert box.audit().sound


def test_an_exchange_that_is_away_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exchange_service import maker
    from exchange_service.settings import MakerSettings

    monkeypatch.setattr(maker, "RETRY_SECONDS", 0.01)
    settings = MakerSettings(
        exchange_url="http://127.0.0.1:1", exchange_maker_key_file=str(tmp_path / "keys")
    )
    stop = threading.Event()
    thread = threading.Thread(target=maker.make_market, args=(settings, stop))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def test_simulated_traders_say_what_they_are(box: Any, tmp_path: Path, monkeypatch: Any) -> None:
    from exchange_service import flow

    def open_here(url: str, api_key: str = "", secret: str = "") -> Any:
        client = box.client(api_key, secret)
        client.close = lambda: None  # The line is the box's own.
        return client

    monkeypatch.setattr(flow, "ExchangeClient", open_here)
    maker = MarketMaker(box.trader("rich", tao=50), random.Random(1), 500_000)
    maker.step()
    stop = threading.Event()
    counts: list[int] = []

    def look(count: int) -> None:
        counts.append(count)
        if len(counts) == 25:
            stop.set()

    placed = simulate("", tmp_path / "keys", 2, 7, 0.0, stop, look)
    assert placed == counts[-1] > 10
    assert set(ensure_keys(box.public, tmp_path / "keys", [])) == {
        "simulated-trader-1", "simulated-trader-2",
    }  # fmt: skip
    assert int(box.public.ticker()["count"]) > 3
    assert box.audit().sound
