"""What one client sends on a socket never costs another one his answer."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.exchange.test_streams import WAIT_SECONDS, Trader, hear, open_socket
from websockets.exceptions import ConnectionClosedError

from exchange_service.answers import Reply, deliver

ORDER = {
    "symbol": "TAOBTC",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "IOC",
    "price": "0.004",
    "quantity": "0.01",
}
MALFORMED = -1135


@pytest.fixture(scope="module")
def trader(exchange: str) -> Any:
    return Trader(exchange, "hostile")


def write_request(identity: str, method: str, params: Any = None) -> str:
    return f'{{"id": {identity}, "method": "{method}", "params": {json.dumps(params)}}}'


def test_an_answer_that_can_not_be_given_costs_nobody_else_his() -> None:
    heard: list[str] = []

    def break_down(outcome: Any) -> None:
        raise TypeError("this is no JSON")

    async def wait() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        takers: list[Callable[[Any], None]] = [break_down, heard.append]
        deliver([*((Reply(loop, take), "done") for take in takers), (future, "done")])
        assert await asyncio.wait_for(future, WAIT_SECONDS) == "done"

    asyncio.run(wait())
    assert heard == ["done"]


@pytest.mark.parametrize(
    "identity", ["18446744073709551616000", str(2**63), "true", "[]", "{}", json.dumps("i" * 37)]
)
def test_an_id_that_no_answer_can_carry_is_refused_at_once(
    exchange: str, trader: Any, identity: str
) -> None:
    with open_socket(exchange, "/ws-api/v3") as socket:
        socket.send(write_request(identity, "order.place", trader.signed(**ORDER)))
        told = hear(socket)
        assert (told["id"], told["error"]["code"]) == (None, MALFORMED)
        socket.send(write_request("2", "order.place", trader.signed(**ORDER)))
        assert hear(socket)["status"] == 200


@pytest.mark.parametrize("identity", ["null", "0", str(-(2**63)), str(2**63 - 1), f'"{"i" * 36}"'])
def test_every_other_id_comes_back(exchange: str, identity: str) -> None:
    with open_socket(exchange, "/ws-api/v3") as socket:
        socket.send(write_request(identity, "ping"))
        assert hear(socket)["id"] == json.loads(identity)


@pytest.mark.parametrize("wanted", ["\x00", "nonsense", 5])
def test_an_odd_wish_about_limits_costs_no_answer(
    exchange: str, trader: Any, wanted: str | int
) -> None:
    odd = trader.signed(**ORDER, returnRateLimits=wanted)
    with open_socket(exchange, "/ws-api/v3") as socket, open_socket(exchange, "/ws-api/v3") as two:
        socket.send(write_request("1", "order.place", odd))
        two.send(write_request("2", "order.place", trader.signed(**ORDER)))
        assert (hear(socket)["id"], hear(two)["id"]) == (1, 2)


@pytest.mark.parametrize("query", ["streams=a&streams=b", "streams=%ff", "streams=a%00b"])
def test_an_address_that_can_not_be_read_is_told_why(exchange: str, query: str) -> None:
    with (
        open_socket(exchange, f"/stream?{query}") as socket,
        pytest.raises(ConnectionClosedError) as closed,
    ):
        socket.recv(WAIT_SECONDS)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert closed.value.rcvd.reason
