"""Orders that succeed weigh nothing, and answers over WebSocket count orders as headers do."""

import asyncio
import json
import time
from typing import Any

import orjson
import pytest

from exchange_service.authentication import sign
from exchange_service.streams.api_socket import Session
from exchange_service.streams.hub import Subscriber

ORDER = {"symbol": "TAOBTC", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
GOOD = {**ORDER, "price": "0.004", "quantity": "1"}
REFUSED = {**ORDER, "price": "0.004", "quantity": "0.0000001"}
PAIR = {
    **{"symbol": "TAOBTC", "side": "BUY", "quantity": "1"},
    **{"aboveType": "STOP_LOSS", "aboveStopPrice": "0.006"},
    **{"belowType": "LIMIT_MAKER", "belowPrice": "0.0041"},
}
PATH = "/api/v3/order"
WEIGHT = "x-mbx-used-weight-1m"


@pytest.fixture
def key(box: Any) -> Any:
    return box.public.create_key("ann", funded=True)


def stamp(values: dict[str, str]) -> dict[str, str]:
    return {**values, "timestamp": str(time.time_ns() // 1_000_000)}


def send(box: Any, key: Any, method: str, path: str, values: dict[str, str]) -> Any:
    text = "&".join(f"{name}={value}" for name, value in stamp(values).items())
    query = f"{text}&signature={sign(key.secret, text.encode())}"
    return box.http.request(method, f"{path}?{query}", headers={"X-MBX-APIKEY": key.api_key})


def used(answer: Any) -> int:
    return int(answer.headers[WEIGHT])


def test_an_order_that_succeeds_weighs_nothing(box: Any, key: Any) -> None:
    before = used(box.http.get("/api/v3/ping"))
    placed = send(box, key, "POST", PATH, GOOD)
    assert (placed.status_code, used(placed)) == (200, before)
    assert placed.headers["x-mbx-order-count-10s"] == "1"
    refused = send(box, key, "POST", PATH, REFUSED)
    assert (refused.status_code, used(refused)) == (400, before + 1)
    named = {"symbol": "TAOBTC", "orderId": str(placed.json()["orderId"])}
    cancelled, again = (send(box, key, "DELETE", PATH, named) for _ in range(2))
    assert (cancelled.status_code, used(cancelled)) == (200, before + 1)
    assert (again.status_code, used(again)) == (400, before + 2)


def test_so_does_a_pair_and_what_cancels_it(box: Any, key: Any) -> None:
    before = used(box.http.get("/api/v3/ping"))
    for method, path, values in (
        ("POST", "/api/v3/orderList/oco", PAIR),
        ("DELETE", "/api/v3/openOrders", {"symbol": "TAOBTC"}),
    ):
        answer = send(box, key, method, path, values)
        assert (answer.status_code, used(answer)) == (200, before), answer.text
    nothing = send(box, key, "DELETE", "/api/v3/openOrders", {"symbol": "TAOBTC"})
    assert (nothing.status_code, used(nothing)) == (400, before + 1)


def test_the_websocket_api_counts_orders_as_headers_do(box: Any, key: Any) -> None:
    def write(method: str, values: dict[str, str]) -> str:
        params = stamp({**values, "apiKey": key.api_key})
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        params["signature"] = sign(key.secret, payload.encode())
        return json.dumps({"id": 1, "method": method, "params": params})

    async def ask(*requests: str) -> list[Any]:
        session = Session(box.http.app.state, "127.0.0.1", Subscriber())
        answers = []
        for request in requests:
            session.handle(request)
            answers.append(orjson.loads((await session.subscriber.queue.get()).text))
        return answers

    before = used(box.http.get("/api/v3/ping"))
    placed, refused, pair, status = asyncio.run(
        ask(
            write("order.place", GOOD),
            write("order.place", REFUSED),
            write("orderList.place.oco", PAIR),
            write("account.rateLimits.orders", {}),
        )
    )
    limits = [(one["rateLimitType"], one["interval"], one["limit"]) for one in placed["rateLimits"]]
    assert limits == [
        ("ORDERS", "SECOND", 10**9),
        ("ORDERS", "DAY", 200_000),
        ("REQUEST_WEIGHT", "MINUTE", 10**9),
    ]
    counts = [[one["count"] for one in told["rateLimits"]] for told in (placed, refused, pair)]
    assert counts == [[1, 1, before], [2, 2, before + 1], [4, 4, before + 1]]
    assert [one["count"] for one in status["result"]] == [4, 4]
    assert [one["rateLimitType"] for one in status["rateLimits"]] == ["REQUEST_WEIGHT"]
