"""The hot path: placing and cancelling orders past everything that takes time.

A request is read, checked and handed to the engine in one go, and answered by a function that the
engine has called: no task, no future, no framework. What is asked and answered is made by the same
functions as at the other doors (`orders/preparing.py`). Under `exchange_service.serving` the
connection itself calls `begin` (`http_wire.py`); under any other server the gate is plain ASGI.
Every other request goes on to the application.
"""

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import orjson
from fastapi import FastAPI
from prometheus_client import Histogram
from starlette.types import Receive, Scope, Send

from exchange_service.answers import Outcome
from exchange_service.authentication import Permission, verify
from exchange_service.domain.facts import Fact
from exchange_service.domain.weights import find_weight
from exchange_service.engine import read_outcome
from exchange_service.errors import Throttled
from exchange_service.floor import Floor
from exchange_service.limits import Headers
from exchange_service.orders.preparing import Prepare, prepare_cancellation, prepare_order
from exchange_service.proxies import Proxies
from exchange_service.turnstile import find_address
from exchange_service.web import KEY_HEADER, now_ms
from taonet.kit.errors import Refusal, TooLarge
from taonet.kit.logging import get_logger
from taonet.kit.metrics import REFUSALS, REQUEST_SECONDS
from taonet.kit.web import REQUEST_ID, SAFE_HEADERS

BODY_BYTES_MAX: Final = 16_384
"""An order has a few hundred bytes."""
KEY: Final = KEY_HEADER.encode()
TOO_LARGE: Final = TooLarge(f"an order has at most {BODY_BYTES_MAX} bytes")
HEADERS: Final = ((b"content-type", b"application/json"), *SAFE_HEADERS)
REQUEST_ID_NAME: Final = REQUEST_ID.encode()
STATE: Final = "taonet.gate"
"""Under which name the server's connections find the gate, in the state of ASGI's lifespan."""

log = get_logger(__name__)


class Hot(NamedTuple):
    """A request's method, what reads it, what it weighs, and how many new orders it counts as."""

    method: str
    prepare: Prepare
    weight: int
    orders: int


class Answer(NamedTuple):
    status: int
    headers: Headers
    """Those of this answer; `HEADERS` are on every one."""
    body: bytes


PATH: Final = "/api/v3/order"
HOT: Final = {
    ("POST", PATH): Hot("POST", prepare_order, find_weight("POST", PATH, {}), 1),
    ("DELETE", PATH): Hot("DELETE", prepare_cancellation, find_weight("DELETE", PATH, {}), 0),
}


class Gate:
    """Stands before the application."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.state = app.state
        self.proxies: Proxies = app.state.proxies
        self._numbers = itertools.count()
        self._run = f"{time.time_ns():x}"
        """Makes the ids of this process's requests its own."""
        self._histograms: dict[tuple[str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" and "state" in scope:
            scope["state"][STATE] = self
        if scope["type"] != "lifespan":
            scope["client"] = self.proxies.find_client(scope)
        if scope["type"] != "http" or (scope["method"], scope["path"]) not in HOT:
            await self.app(scope, receive, send)
            return
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        hot, api_key = HOT[scope["method"], scope["path"]], dict(scope["headers"]).get(KEY, b"")
        query, body = scope["query_string"], await read_body(receive)
        self.begin(hot, find_address(scope), api_key, query, body, answered.set_result)
        status, headers, body = await answered
        headers += HEADERS
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def begin(
        self,
        hot: Hot,
        address: str,
        api_key: bytes,
        query: bytes,
        body: bytes,
        reply: Callable[[Answer], None],
    ) -> None:
        """Begin a hot request; `reply` gets its answer, now or once it is durable."""
        request_id = f"{self._run}-{next(self._numbers):x}"
        request = HotRequest(self, hot, request_id, reply)
        request.begin(address, api_key, query, body)

    def measure(self, method: str, status: int, seconds: float) -> None:
        histogram = self._histograms.get((method, status))
        if histogram is None:
            histogram = REQUEST_SECONDS.labels(method, PATH, str(status))
            self._histograms[method, status] = histogram
        histogram.observe(seconds)


class HotRequest:
    """One request, from its bytes to its answer; refusals and mistakes become answers, too."""

    __slots__ = (*("_address", "_gate", "_headers", "_hot", "_id", "_reply", "_started", "_write"),)

    def __init__(
        self, gate: Gate, hot: Hot, request_id: str, reply: Callable[[Answer], None]
    ) -> None:
        self._gate, self._hot, self._id, self._reply = gate, hot, request_id, reply
        self._headers: Headers = []
        self._started = time.perf_counter()

    def begin(self, address: str, api_key: bytes, query: bytes, body: bytes) -> None:
        try:
            self._begin(address, api_key.decode("latin-1"), query, body)
        except Exception as error:
            self._refuse(error)

    def _begin(self, address: str, api_key: str, query: bytes, body: bytes) -> None:
        hot = self._hot
        floor: Floor = self._gate.state.floor
        limits, keyring, switch, engine = floor
        self._address = address
        self._headers += limits.charge(address, hot.weight)
        if len(body) > BODY_BYTES_MAX:
            raise TOO_LARGE
        trade = Permission.TRADE
        signed = verify(keyring, api_key, query, body, now_ms(), address, trade)
        if hot.orders:
            switch.check_open()
            self._headers += limits.count(signed.account_id, hot.orders)
        prepared = hot.prepare(signed)
        self._write: Callable[[list[Fact]], dict[str, Any]] = prepared.write
        engine.submit_with(prepared.command, self._finish, signed.valid_until_ms)

    def _finish(self, outcome: Outcome) -> None:
        try:
            content = self._write(read_outcome(outcome))
        except Exception as error:
            self._refuse(error)
        else:
            limits = self._gate.state.floor.limits
            limits.refund(self._address, self._hot.weight, self._headers)
            self._answer(200, content)

    def _refuse(self, error: Exception) -> None:
        if isinstance(error, Refusal):
            REFUSALS.labels(error.code).inc()
            if isinstance(error, Throttled):
                self._headers.append((b"retry-after", b"%d" % error.wait_seconds))
            self._answer(error.status, error.as_json())
            return
        log.error("unexpected", request_id=self._id, exc_info=error)
        unknown = {"code": -1000, "msg": f"This is our mistake; the log tells of {self._id}."}
        self._answer(500, unknown)

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = orjson.dumps(content)
        self._headers.append((b"content-length", b"%d" % len(body)))
        self._headers.append((REQUEST_ID_NAME, self._id.encode()))
        self._reply(Answer(status, self._headers, body))
        self._gate.measure(self._hot.method, status, time.perf_counter() - self._started)


async def read_body(receive: Receive) -> bytes:
    """Return the whole body, or so much of it that it is too large for an order."""
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body") or len(body) > BODY_BYTES_MAX:
            return body
