"""The operator's switch: no new orders through any door, and the way out stays open."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from tests.exchange.conftest import running_box
from tests.exchange.live import OPERATOR_TOKEN as TOKEN
from typer.testing import CliRunner

from exchange_service import commands
from exchange_service.authentication import sign
from exchange_service.client import ExchangeClient, ExchangeRefusal
from exchange_service.settings import ExchangeSettings
from exchange_service.streams.api_socket import Session
from exchange_service.streams.hub import Subscriber
from exchange_service.switch import commands as switch_commands
from exchange_service.switch import repository
from exchange_service.switch.operations import MarketStatus
from taonet.kit.db import begin

STATUS = "/exchange/v1/market-status"


def test_a_closed_market_takes_no_new_orders_and_lets_go_of_old_ones(box: Any) -> None:
    ann = box.trader("ann", tao=10)
    resting = ann.limit_order("SELL", "0.005", "1")
    assert box.public.turn_market(MarketStatus.CANCEL_ONLY, TOKEN).status == "CANCEL_ONLY"
    assert box.public.exchange_info()["symbols"][0]["status"] == "CANCEL_ONLY"
    closed = "-2010: Market is closed."
    replacement = {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": resting["orderId"]}
    order = {"side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
    pair = {"side": "SELL", "quantity": "1", "aboveType": "LIMIT_MAKER", "abovePrice": "0.006"}
    below = {"belowType": "STOP_LOSS", "belowStopPrice": "0.004"}
    for path, asked in (
        ("/api/v3/order", {**order, "price": "0.006"}),
        ("/api/v3/order/cancelReplace", {**order, **replacement, "price": "0.006"}),
        ("/api/v3/orderList/oco", {**pair, **below}),
    ):
        with pytest.raises(ExchangeRefusal, match=closed):
            ann._signed("POST", path, symbol="TAOBTC", **asked)
    # Nothing of the refused replacement was done.
    assert [one["orderId"] for one in ann.open_orders()] == [resting["orderId"]]
    assert ann.cancel(orderId=resting["orderId"])["status"] == "CANCELED"
    assert box.public.turn_market(MarketStatus.TRADING, TOKEN).status == "TRADING"
    assert ann.limit_order("SELL", "0.005", "1")["status"] == "NEW"


def test_a_status_that_is_not_written_down_is_not_in_force(
    box: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the same command, sent again, would find nothing to do; a restart opened the market."""

    def fail(*_: Any) -> None:
        raise psycopg.OperationalError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(repository, "save_status", fail)
        with pytest.raises(ExchangeRefusal):
            box.public.turn_market(MarketStatus.CANCEL_ONLY, TOKEN)
    assert box.http.get(STATUS).json()["status"] == "TRADING"
    box.public.turn_market(MarketStatus.CANCEL_ONLY, TOKEN)
    with begin(box.http.app.state.pool) as conn:
        row = repository.find_status(conn)
    assert row.status == "CANCEL_ONLY"


def test_the_websocket_api_is_closed_with_the_rest(box: Any) -> None:
    ann = box.trader("ann", tao=10)
    box.public.turn_market(MarketStatus.CANCEL_ONLY, TOKEN)
    request = json.dumps({"id": 1, "method": "order.place", "params": signed(ann)})

    async def ask() -> Any:
        session = Session(box.http.app.state, "127.0.0.1", Subscriber())
        session.handle(request)
        return orjson.loads((await session.subscriber.queue.get()).text)

    assert asyncio.run(ask())["error"] == {"code": -2010, "msg": "Market is closed."}


def signed(client: ExchangeClient) -> dict[str, str]:
    values = {
        "apiKey": client._api_key,
        "price": "0.005",
        "quantity": "1",
        "side": "SELL",
        "symbol": "TAOBTC",
        "timeInForce": "GTC",
        "timestamp": str(time.time_ns() // 1_000_000),
        "type": "LIMIT",
    }
    payload = "&".join(f"{name}={value}" for name, value in sorted(values.items()))
    return {**values, "signature": sign(client._secret.decode(), payload.encode())}


def test_only_the_operator_turns_it(box: Any) -> None:
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {TOKEN}!"}):
        answer = box.http.put(STATUS, json={"status": "CANCEL_ONLY"}, headers=headers)
        assert answer.status_code == 401, headers
    nonsense = box.http.put(
        STATUS, json={"status": "HALF_OPEN"}, headers={"Authorization": f"Bearer {TOKEN}"}
    )
    assert nonsense.status_code == 422
    assert box.public.market_status().status == "TRADING"


def test_a_restart_leaves_it_closed_and_without_a_token_it_stays_so(
    exchange_settings: ExchangeSettings,
) -> None:
    with running_box(exchange_settings) as box:
        box.public.turn_market(MarketStatus.CANCEL_ONLY, TOKEN)
    with running_box(exchange_settings.model_copy(update={"exchange_operator_token": ""})) as box:
        assert box.public.market_status().status == "CANCEL_ONLY"
        for token in ("", TOKEN):
            with pytest.raises(ExchangeRefusal, match="only the operator"):
                box.public.turn_market(MarketStatus.TRADING, token)


def test_the_command_reads_the_token_from_its_file(
    box: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.setattr(switch_commands, "ExchangeClient", lambda url: box.public)
    monkeypatch.setattr(box.public, "close", lambda: None)
    run = CliRunner().invoke
    app = commands.exchange_app
    missing = run(app, ["market", "CANCEL_ONLY", "--token-file", str(tmp_path / "none")])
    assert missing.exit_code == 1
    closed = run(app, ["market", "CANCEL_ONLY", "--token-file", str(tmp_path / "token"), "--json"])
    assert json.loads(closed.stdout)["status"] == "CANCEL_ONLY"
    assert run(app, ["market"]).stdout.strip() == "CANCEL_ONLY"


def test_the_operator_sets_what_an_account_pays(box: Any) -> None:
    ann, ben = box.trader("ann", tao=10), box.trader("ben")
    path = "/exchange/v1/accounts/ann/fee-rates"
    ann.limit_order("SELL", "0.005", "1")
    rates = box.public.set_fee_rates("ann", 250, 500, TOKEN)
    assert box.public.fee_rates("ann", TOKEN) == rates
    assert (rates.name, rates.maker_ppm, rates.taker_ppm) == ("ann", 250, 500)
    own = ann._signed("GET", "/api/v3/account/commission", symbol="TAOBTC")["standardCommission"]
    assert (own["maker"], own["taker"]) == ("0.00025000", "0.00050000")
    ann.limit_order("SELL", "0.005", "1")
    ben.limit_order("BUY", "0.005", "2")
    # The order that was in the book before pays what it would have paid.
    assert [trade["commission"] for trade in ann.my_trades()] == ["0.00000500", "0.00000125"]
    for headers in ({}, {"Authorization": f"Bearer {TOKEN}!"}):
        change = {"maker_ppm": 0, "taker_ppm": 0}
        assert box.http.put(path, json=change, headers=headers).status_code == 401
        assert box.http.get(path, headers=headers).status_code == 401
    assert box.public.fee_rates("ann", TOKEN) == rates


@pytest.mark.parametrize(
    ("name", "change", "status"),
    [
        ("nobody", {"maker_ppm": 1, "taker_ppm": 1}, 404),
        ("ann", {"maker_ppm": -1, "taker_ppm": 1}, 422),
        ("ann", {"maker_ppm": 1, "taker_ppm": 1_000_001}, 422),
        ("ann", {"maker_ppm": "0.1", "taker_ppm": 1}, 422),
        ("ann", {"maker_ppm": 1}, 422),
    ],
)
def test_fee_rates_that_are_none(box: Any, name: str, change: dict[str, Any], status: int) -> None:
    box.trader("ann")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    path = f"/exchange/v1/accounts/{name}/fee-rates"
    assert box.http.put(path, json=change, headers=headers).status_code == status


def test_fee_rates_outlive_a_restart(exchange_settings: ExchangeSettings) -> None:
    with running_box(exchange_settings) as box:
        box.trader("ann")
        rates = box.public.set_fee_rates("ann", 1, 2, TOKEN)
    with running_box(exchange_settings) as box:
        assert box.public.fee_rates("ann", TOKEN) == rates
        account = box.engine.ask(lambda exchange: exchange.accounts[1001]).result(10)
        assert (account.maker_ppm, account.taker_ppm) == (1, 2)


def test_the_command_shows_and_sets_fees(
    box: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.trader("ann")
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.setattr(switch_commands, "ExchangeClient", lambda url: box.public)
    monkeypatch.setattr(box.public, "close", lambda: None)
    asked = ["fees", "ann", "--token-file", str(tmp_path / "token")]

    def run(*more: str) -> str:
        return CliRunner().invoke(commands.exchange_app, [*asked, *more]).stdout

    assert run() == "ann: maker 1000 ppm, taker 1000 ppm\n"
    changed = json.loads(run("--maker-ppm", "500", "--json"))
    assert changed == {"name": "ann", "maker_ppm": 500, "taker_ppm": 1000}
    assert run("--taker-ppm", "0") == "ann: maker 500 ppm, taker 0 ppm\n"
