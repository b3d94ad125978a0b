"""Failure mode 14: whatever is sent, the answer is a refusal that says why, and never a 5xx."""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.exchange.live import open_trader
from websockets.sync.client import connect

from exchange_service.authentication import sign
from exchange_service.openapi import PUBLIC, SIGNED, Field
from exchange_service.streams.api_methods import METHODS

NUMBERS = [
    *("0", "1", "-1", "+1", "1e-9", "1e400", "NaN", "Infinity", "١٢", "0x10", "1_000", " 1", "1."),
    *(
        ".5",
        "0.005",
        "0.000001",
        "9" * 18,
        "9" * 19,
        "9" * 40,
        "0." + "1" * 30,
        "--",
        "null",
        "1,5",
    ),
    *(
        "9" * 5_000,
        "0." + "9" * 5_000,
        "18446744073709551616",
        "9223372036854775807",
        "4611686018427387904",
        "-0",
        "00000001",
    ),
]
TEXTS = ["TAOBTC", "taobtc", "BTC", "", "a" * 40, "\x00", "é", "%00", "[]", '["TAOBTC"]', "'; --"]
ANY = st.one_of(st.sampled_from(NUMBERS), st.sampled_from(TEXTS), st.text(max_size=12))
GOOD = {
    "symbol": "TAOBTC",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "1",
    "price": "0.004",
    "interval": "1m",
    "coin": "TAO",
    "cancelReplaceMode": "ALLOW_FAILURE",
    "aboveType": "STOP_LOSS_LIMIT",
    "belowType": "LIMIT_MAKER",
    "orderId": "1",
    "newQty": "0.5",
    "countdownTime": "0",
}


def values_for(fields: tuple[Field, ...]) -> st.SearchStrategy[dict[str, str]]:
    """Some of an endpoint's parameters: many as they should be, some as they should not."""
    likely = {
        field.name: st.one_of(ANY, st.sampled_from([GOOD.get(field.name, "1"), *field.choices]))
        for field in fields
    }
    return st.fixed_dictionaries({}, optional=likely)


REQUESTS = st.sampled_from([*PUBLIC.items(), *SIGNED.items()]).flatmap(
    lambda entry: st.tuples(st.just(entry[0]), values_for(entry[1]))
)


@pytest.fixture(scope="module")
def trader(exchange: str) -> Iterator[Any]:
    client, api_key, secret = open_trader(exchange, "fuzzer", tao=10)
    with client:
        yield client, api_key, secret
        # Some of its orders were good ones, and others use this exchange, too.
        if client.open_orders():
            client.cancel_all()


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(request_=REQUESTS)
@example(request_=(("get", "/api/v3/order"), {"symbol": "TAOBTC", "origClientOrderId": "\x00"}))
@example(request_=(("get", "/api/v3/depth"), {"symbol": "TAOBTC", "limit": "9" * 5_000}))
def test_http_never_breaks(exchange: str, trader: Any, request_: Any) -> None:
    (verb, path), values = request_
    _, api_key, secret = trader
    if (verb, path) in SIGNED:
        values = {**values, "timestamp": str(time.time_ns() // 1_000_000)}
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in values.items())
    if (verb, path) in SIGNED:
        query += f"&signature={sign(secret, query.encode())}"
    headers = {"X-MBX-APIKEY": api_key}
    answer = httpx.request(verb.upper(), f"{exchange}{path}?{query}", headers=headers)
    assert answer.status_code < 500, (path, values, answer.text)
    if answer.status_code >= 400:
        assert {"code", "msg"} <= set(answer.json()), answer.text


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    method=st.sampled_from(sorted(METHODS)),
    values=st.dictionaries(
        st.sampled_from(
            [*GOOD, "limit", "startTime", "endTime", "fromId", "timeZone", "stopPrice"]
        ),
        st.one_of(ANY, st.integers(), st.floats(), st.booleans(), st.lists(ANY, max_size=2)),
    ),
)
@example(method="order.status", values={"symbol": "TAOBTC", "origClientOrderId": "\x00"})
@example(method="depth", values={"symbol": "TAOBTC", "limit": "9" * 5_000})
@example(method="order.status", values={"symbol": "TAOBTC", "origClientOrderId": "\ud800"})
def test_the_websocket_api_never_breaks(
    exchange: str, trader: Any, method: str, values: dict[str, Any]
) -> None:
    _, api_key, secret = trader
    params: dict[str, Any] = {
        name: value
        for name, value in values.items()
        if not isinstance(value, float) or value == value
    }
    params |= {"apiKey": api_key, "timestamp": time.time_ns() // 1_000_000}
    text = {name: write(value) for name, value in params.items()}
    payload = "&".join(f"{name}={text[name]}" for name in sorted(text))
    params["signature"] = sign(secret, payload.encode(errors="replace"))
    with connect(exchange.replace("http", "ws") + "/ws-api/v3") as socket:
        socket.send(json.dumps({"id": 1, "method": method, "params": params}))
        answer = json.loads(socket.recv(10))
    assert answer["status"] < 500, (method, params, answer)


def write(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return json.dumps(value, separators=(",", ":"))
    return value if isinstance(value, str) else json.dumps(value)


ENDLESS = "9" * 5_000


@pytest.mark.parametrize("name", ["timestamp", "recvWindow", *GOOD])
def test_an_endless_number_is_refused_wherever_one_is_read(
    exchange: str, trader: Any, name: str
) -> None:
    _, api_key, secret = trader
    values = {**GOOD, "timestamp": str(time.time_ns() // 1_000_000), name: ENDLESS}
    query = "&".join(f"{key}={value}" for key, value in values.items())
    query += f"&signature={sign(secret, query.encode())}"
    for verb, path in SIGNED:
        headers = {"X-MBX-APIKEY": api_key}
        answer = httpx.request(verb.upper(), f"{exchange}{path}?{query}", headers=headers)
        assert answer.status_code < 500, (path, answer.text)


@pytest.mark.parametrize("limit", [ENDLESS, "9" * 19])
def test_an_endless_depth_is_refused_through_both_doors(exchange: str, limit: str) -> None:
    answer = httpx.get(f"{exchange}/api/v3/depth?symbol=TAOBTC&limit={limit}")
    assert (answer.status_code, answer.json()["code"]) == (400, -1100)
    with connect(exchange.replace("http", "ws") + "/ws-api/v3") as socket:
        for value in (f'"{limit}"', limit):
            params = f'{{"symbol": "TAOBTC", "limit": {value}}}'
            socket.send(f'{{"id": 1, "method": "depth", "params": {params}}}')
            told = json.loads(socket.recv(10))
            assert (told["status"], told["error"]["code"]) in ((400, -1100), (400, -1135))


def test_an_endless_number_in_a_body_is_refused(exchange: str) -> None:
    for body in (f'{{"name": {ENDLESS}}}', f'{{"name": "x", "funded": {ENDLESS}}}'):
        answer = httpx.post(f"{exchange}/exchange/v1/keys", content=body)
        assert 400 <= answer.status_code < 500, answer.text
