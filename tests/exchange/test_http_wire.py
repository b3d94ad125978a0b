"""The short way of a request on the hot path: answered as the long one, whatever is sent how."""

import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import pytest
from tests.exchange.live import open_trader

from exchange_service.authentication import sign
from exchange_service.gate import BODY_BYTES_MAX

LONG_WAY: Final = "X-Forwarded-For: 127.0.0.1\r\n"
"""What uvicorn has to deal with itself."""
PER_REQUEST: Final = {"date", "x-request-id", "content-length", "x-mbx-used-weight"}
SECONDS: Final = 10


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


class Line:
    """One connection, on which a test writes what it wants to."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), SECONDS)
        self.file = self.socket.makefile("rb")

    def send(self, request: str) -> None:
        self.socket.sendall(request.encode())

    def read(self) -> Reply:
        status = int(self.file.readline().split()[1])
        headers: dict[str, str] = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name] = value
        return Reply(status, headers, json.loads(self.file.read(int(headers["content-length"]))))

    def is_closed(self) -> bool:
        return self.file.read(1) == b""


class Trader(NamedTuple):
    url: str
    api_key: str
    secret: str

    def ask(
        self, name: str, headers: str = "", body: str = "", verb: str = "POST", version: str = "1.1"
    ) -> str:
        """Return a signed request for an order that meets nothing."""
        query = (
            "symbol=TAOBTC&side=BUY&type=LIMIT&timeInForce=IOC&quantity=0.01&price=0.004"
            f"&newClientOrderId={name}&timestamp={time.time_ns() // 1_000_000}"
        )
        if body:
            headers += f"Content-Length: {len(body)}\r\n"
        signature = sign(self.secret, (query + body).encode())
        return (
            f"{verb} /api/v3/order?{query}&signature={signature} HTTP/{version}\r\nHost: x\r\n"
            f"X-MBX-APIKEY: {self.api_key}\r\n{headers}\r\n{body}"
        )


@pytest.fixture(scope="module")
def trader(exchange: str) -> Trader:
    client, api_key, secret = open_trader(exchange, "wire")
    client.close()
    return Trader(exchange, api_key, secret)


@contextmanager
def connected(trader: Trader) -> Iterator[Line]:
    line = Line(trader.url)
    try:
        yield line
    finally:
        line.file.close()
        line.socket.close()


def test_both_ways_answer_alike(trader: Trader) -> None:
    with connected(trader) as line:
        for what in ("placed", "refused"):
            replies = []
            for way in ("", LONG_WAY):
                key = trader if what == "placed" else trader._replace(secret="0" * 64)
                line.send(key.ask(f"{what}-{len(way)}", way))
                replies.append(line.read())
            short, long = replies
            assert short.status == long.status == (200 if what == "placed" else 400)
            assert list(short.body) == list(long.body)
            assert set(short.headers) == set(long.headers)
            for name in set(short.headers) - PER_REQUEST:
                if not name.startswith("x-mbx"):
                    assert short.headers[name] == long.headers[name]


def test_a_body_may_come_later_and_in_pieces(trader: Trader) -> None:
    with connected(trader) as line:
        request = trader.ask("pieces", body="&recvWindow=60000")
        for piece in (request[:40], request[40:-9], request[-9:-3], request[-3:]):
            line.send(piece)
            time.sleep(0.02)
        assert line.read().body["clientOrderId"] == "pieces"


def test_what_the_gate_does_not_know_goes_the_long_way(trader: Trader) -> None:
    with connected(trader) as line:
        request = trader.ask("chunked", "Transfer-Encoding: chunked\r\n")
        line.send(request + "0\r\n\r\n")
        assert line.read().body["clientOrderId"] == "chunked"
        line.send(trader.ask("expected", "Expect: 100-continue\r\n", "&recvWindow=60000"))
        assert line.file.readline().split()[1] == b"100"
        assert line.file.readline() == b"\r\n"
        assert line.read().body["clientOrderId"] == "expected"
        for number, way in enumerate(("/api/v3/%6Frder", "http://x/api/v3/order")):
            line.send(trader.ask(f"written-{number}").replace("/api/v3/order", way))
            assert line.read().body["clientOrderId"] == f"written-{number}"
        line.send(trader.ask("upgraded", "Connection: upgrade\r\nUpgrade: h2c\r\n"))
        assert line.read().body["clientOrderId"] == "upgraded"


@pytest.mark.parametrize("size", [BODY_BYTES_MAX + 1, 10 * BODY_BYTES_MAX])
def test_too_large_a_body_is_refused(trader: Trader, size: int) -> None:
    with connected(trader) as line:
        line.send(trader.ask("large", body="&" * size))
        assert line.read().status == 413


def test_requests_that_come_together_are_answered_in_order(trader: Trader) -> None:
    """Two thousand at once, most of them refused at once: none answers from within another."""
    with connected(trader) as line:
        wrong = trader._replace(secret="0" * 64).ask("wrong")
        line.send(trader.ask("first") + wrong * 2_000 + trader.ask("last"))
        assert line.read().body["clientOrderId"] == "first"
        assert {line.read().body["code"] for _ in range(2_000)} == {-1022}
        assert line.read().body["clientOrderId"] == "last"


@pytest.mark.parametrize(("headers", "version"), [("Connection: close\r\n", "1.1"), ("", "1.0")])
def test_a_last_request_ends_the_connection(trader: Trader, headers: str, version: str) -> None:
    with connected(trader) as line:
        line.send(trader.ask(f"last-{version[-1]}", headers, version=version))
        reply = line.read()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert line.is_closed()


def test_who_hangs_up_keeps_no_answer_from_others(trader: Trader) -> None:
    """Twenty leave with an order under way; who is behind them in the batch is answered."""
    abort = struct.pack("ii", 1, 0)
    with connected(trader) as patient:
        for turn in range(5):
            lines = [Line(trader.url) for _ in range(20)]
            for number, line in enumerate(lines):
                line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abort)
                line.send(trader.ask(f"leaving-{turn}-{number}"))
            for line in lines:
                line.file.close()
                line.socket.close()
            patient.send(trader.ask(f"patient-{turn}"))
            assert patient.read().body["clientOrderId"] == f"patient-{turn}"


def test_who_hangs_up_has_ordered_all_the_same(trader: Trader) -> None:
    with connected(trader) as line:
        line.send(trader.ask("gone"))
    with connected(trader) as line:
        line.send(trader.ask("next"))
        following = line.read().body["orderId"]
    query = f"symbol=TAOBTC&timestamp={time.time_ns() // 1_000_000}&origClientOrderId=gone"
    with connected(trader) as line:
        signature = sign(trader.secret, query.encode())
        line.send(
            f"GET /api/v3/order?{query}&signature={signature} HTTP/1.1\r\nHost: x\r\n"
            f"X-MBX-APIKEY: {trader.api_key}\r\n\r\n"
        )
        order = line.read().body
    assert (order["status"], order["orderId"] < following) == ("EXPIRED", True)
