"""Failure modes 11 and 15: what attackers learn from logs and refusals, and what a flood costs."""

import hmac
import json
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.exchange.live import running_exchange
from websockets.sync.client import connect

from exchange_service.authentication import Key, Keyring, sign, verify
from exchange_service.client import ExchangeClient
from exchange_service.errors import BinanceRefusal
from exchange_service.settings import ExchangeSettings
from taonet.kit.errors import Refusal

NO_REDIS = "redis://127.0.0.1:1/0"
ORDER = "symbol=TAOBTC&side=BUY&type=LIMIT&timeInForce=GTC&price=0.004&quantity=1"
FLOODER, TRADER = "127.0.0.66", "127.0.0.67"
WEIGHT, DEPTH_WEIGHT = 2_500, 250
"""Ten requests of the whole depth are what an address may ask in a minute."""


def stamped(text: str, secret: str) -> tuple[str, str]:
    """Return a request signed now, and its signature."""
    text = f"{text}&timestamp={time.time_ns() // 1_000_000}"
    signature = sign(secret, text.encode())
    return f"{text}&signature={signature}", signature


def test_11_logs_tell_no_secret_and_no_signature(
    exchange_settings: ExchangeSettings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not even at the level for debugging, whatever is right or wrong with the request."""
    loud = running_exchange(
        exchange_settings.database_url,
        NO_REDIS,
        tmp_path,
        logs=("--log-level", "debug"),
        TAONET_LOG_LEVEL="debug",
    )
    with loud as url:
        told = [(tmp_path / "api-secret").read_text().strip(), *knock(url)]
    out, err = capfd.readouterr()
    assert "Started server process" in err, "the logs are there to be searched"
    assert [secret for secret in told if secret in out + err] == []


def knock(url: str) -> list[str]:
    """Come with right and wrong signatures by all doors; return all that nobody else may know."""
    with ExchangeClient(url) as public:
        key = public.create_key("ann", funded=True)
    headers, wrong = {"X-MBX-APIKEY": key.api_key}, "f" * 64
    good, signature = stamped(ORDER, key.secret)
    with httpx.Client(base_url=url, headers=headers) as http:
        bad, forged = stamped(ORDER, wrong)
        answers = [
            http.post(f"/api/v3/order?{good}"),
            http.post("/api/v3/order", content=bad),
            http.get(f"/api/v3/account?{good}"),
            http.get(f"/api/v3/account?{bad}", headers={"X-MBX-APIKEY": "a" * 64}),
        ]
        listen_key = http.post("/api/v3/userDataStream").json()["listenKey"]
    assert [answer.status_code for answer in answers] == [200, 400, 200, 401]
    with connect(url.replace("http", "ws") + f"/ws/{listen_key}"):
        pass
    return [key.secret, signature, forged, listen_key, log_on(url, key.api_key, key.secret)]


def log_on(url: str, api_key: str, secret: str) -> str:
    """Subscribe to an account's events by the WebSocket API; return the signature."""
    values = {"apiKey": api_key, "timestamp": str(time.time_ns() // 1_000_000)}
    payload = "&".join(f"{name}={value}" for name, value in values.items())
    signature = sign(secret, payload.encode())
    method = "userDataStream.subscribe.signature"
    asked = {"id": 1, "method": method, "params": {**values, "signature": signature}}
    with connect(url.replace("http", "ws") + "/ws-api/v3") as socket:
        socket.send(json.dumps(asked))
        assert json.loads(socket.recv(10))["status"] == 200
    return signature


def test_11_known_and_unknown_keys_are_compared_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """One comparison in constant time of digests as long, whatever is wrong."""
    keyring = Keyring(b"master", [Key("a" * 64, 1001)])
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def note(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", note)
    refusals = []
    for api_key in ("a" * 64, "b" * 64):
        query, _ = stamped(ORDER, "f" * 64)
        now_ms = time.time_ns() // 1_000_000
        with pytest.raises(Refusal) as refusal:
            verify(keyring, api_key, query.encode(), b"", now_ms)
        refusals.append(refusal.value)
    assert compared == [(64, 64), (64, 64)]
    assert [type(one) is BinanceRefusal for one in refusals] == [True, False]


def test_15_who_floods_is_banned_and_others_are_served(
    exchange_settings: ExchangeSettings, tmp_path: Path
) -> None:
    """By address: every order of another's is taken while the flood goes on."""
    narrow = {"TAONET_EXCHANGE_REQUEST_WEIGHT_PER_MINUTE": str(WEIGHT)}
    with running_exchange(exchange_settings.database_url, NO_REDIS, tmp_path, **narrow) as url:
        statuses: list[int] = []
        stop = threading.Event()
        flood = threading.Thread(target=pour, args=(url, statuses, stop))
        flood.start()
        try:
            placed = trade_until(url, lambda: statuses.count(418) > 100)
        finally:
            stop.set()
            flood.join()
    assert placed > 10
    assert statuses.count(200) == WEIGHT // DEPTH_WEIGHT
    assert 429 in statuses
    assert all(
        before <= after or {before, after} == {429, 418} for before, after in pairwise(statuses)
    )


def pour(url: str, statuses: list[int], stop: threading.Event) -> None:
    with httpx.Client(base_url=url, transport=coming_from(FLOODER)) as http:
        while not stop.is_set():
            statuses.append(http.get("/api/v3/depth?symbol=TAOBTC&limit=5000").status_code)


def trade_until(url: str, is_over: Callable[[], bool]) -> int:
    """Place and cancel until it is over, and at least a few times; return how often."""
    with httpx.Client(base_url=url, transport=coming_from(TRADER)) as http:
        key = ExchangeClient(http=http).create_key("ann", funded=True)
        ann = ExchangeClient(api_key=key.api_key, secret=key.secret, http=http)
        placed = 0
        while placed < 20 or not is_over():
            order: dict[str, Any] = ann.limit_order("BUY", "0.004", "1")
            assert ann.cancel(orderId=order["orderId"])["status"] == "CANCELED"
            placed += 1
    return placed


def coming_from(address: str) -> httpx.HTTPTransport:
    return httpx.HTTPTransport(local_address=address)
