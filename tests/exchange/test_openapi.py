"""The documentation is true: it names every endpoint, and what it calls mandatory is."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.exchange.live import open_trader

from exchange_service.client import ExchangeRefusal
from exchange_service.openapi import KEYED, PREFIXES, PUBLIC, SIGNED, Field
from exchange_service.streams.api_methods import METHODS

TABLES = {**PUBLIC, **KEYED, **SIGNED}
GOOD = {
    "symbol": "TAOBTC",
    "side": "SELL",
    "type": "MARKET",
    "quantity": "1",
    "interval": "1m",
    "coin": "TAO",
    "orderId": "1",
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "0.006",
    "belowType": "STOP_LOSS",
    "belowStopPrice": "0.004",
    "cancelReplaceMode": "ALLOW_FAILURE",
    "cancelOrderId": "1",
    "newQty": "1",
    "countdownTime": "0",
    "address": "x",
    "amount": "1",
    "listenKey": "x",
}


@pytest.fixture(scope="module")
def schema(exchange: str) -> Any:
    return httpx.get(f"{exchange}/openapi.json").json()


def test_every_endpoint_is_described(schema: Any) -> None:
    described = {
        (verb, path)
        for path, verbs in schema["paths"].items()
        if path.startswith(PREFIXES)
        for verb in verbs
    }
    assert described == set(TABLES)


def test_parameters_security_and_weights(schema: Any) -> None:
    place = schema["paths"]["/api/v3/order"]["post"]
    names = [parameter["name"] for parameter in place["parameters"]]
    assert names[:3] == ["symbol", "side", "type"]
    assert names[-3:] == ["timestamp", "recvWindow", "signature"]
    assert place["security"] == [{"key": []}]
    assert schema["paths"]["/api/v3/account"]["get"]["description"] == "Weight: 20."
    assert "429" in schema["paths"]["/api/v3/depth"]["get"]["responses"]


@pytest.mark.parametrize(
    ("verb", "path", "missing"),
    [
        (verb, path, field)
        for (verb, path), fields in TABLES.items()
        for field in fields
        if field.required
    ],
    ids=lambda value: value.name if isinstance(value, Field) else value,
)
def test_what_is_called_mandatory_is(
    exchange: str, owner: Any, verb: str, path: str, missing: Field
) -> None:
    fields = TABLES[verb, path]
    sent = {
        name: value
        for name, value in GOOD.items()
        if name != missing.name and any(field.name == name for field in fields)
    }
    refusal = owner(verb, path, sent)
    assert refusal["code"] == -1102, refusal
    assert f"'{missing.name}'" in refusal["msg"]


@pytest.fixture(scope="module")
def owner(exchange: str) -> Iterator[Any]:
    client, api_key, _ = open_trader(exchange, "reader-of-docs", tao=1)

    def ask(verb: str, path: str, sent: dict[str, str]) -> Any:
        if (verb, path) in SIGNED:
            with pytest.raises(ExchangeRefusal) as refusal:
                client._signed(verb.upper(), path, **sent)
            return {"code": int(refusal.value.code), "msg": refusal.value.message}
        headers = {"X-MBX-APIKEY": api_key}
        return httpx.request(verb, f"{exchange}{path}", params=sent, headers=headers).json()

    with client:
        yield ask


def test_the_websocket_api_offers_what_http_does() -> None:
    described = {(verb.upper(), path) for verb, path in TABLES}
    assert {(method.verb, method.path) for method in METHODS.values()} <= described
