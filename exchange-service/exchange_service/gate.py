"""The hot path: placing and cancelling orders as plain ASGI, past everything that takes time.

The answers are made by the same functions as those of the other doors (`orders/routes.py`); what is
left out is the framework around them. Every other request goes on to the application.
"""

import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import orjson
from fastapi import FastAPI
from prometheus_client import Histogram
from starlette.types import Receive, Scope, Send

from exchange_service.authentication import Permission, SignedRequest, verify
from exchange_service.charging import Headers
from exchange_service.domain.weights import find_weight
from exchange_service.engine import Engine
from exchange_service.limits import Throttled
from exchange_service.orders import routes as orders
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
HEADERS: Final = [
    (b"content-type", b"application/json"),
    *SAFE_HEADERS,
]

log = get_logger(__name__)


class Hot(NamedTuple):
    """What answers a request, what it weighs, and how many new orders it counts as."""

    answer: Callable[[SignedRequest, Engine], Awaitable[dict[str, Any]]]
    weight: int
    orders: int


PATH: Final = "/api/v3/order"
HOT: Final = {
    ("POST", PATH): Hot(orders.place_order, find_weight("POST", PATH, {}), 1),
    ("DELETE", PATH): Hot(orders.cancel_order, find_weight("DELETE", PATH, {}), 0),
}


class Gate:
    """Plain ASGI before the application."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.state = app.state
        self._numbers = itertools.count()
        self._run = f"{time.time_ns():x}"
        """Makes the ids of this process's requests its own."""
        self._histograms: dict[tuple[str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hot = HOT.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if hot is None:
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = f"{self._run}-{next(self._numbers):x}"
        status, headers, answer = await self._answer(hot, scope, receive, request_id)
        body = orjson.dumps(answer)
        headers += [
            *HEADERS,
            (b"content-length", str(len(body)).encode()),
            (REQUEST_ID.encode(), request_id.encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self._measure(scope["method"], status, time.perf_counter() - started)

    def _measure(self, method: str, status: int, seconds: float) -> None:
        histogram = self._histograms.get((method, status))
        if histogram is None:
            histogram = REQUEST_SECONDS.labels(method, PATH, str(status))
            self._histograms[method, status] = histogram
        histogram.observe(seconds)

    async def _answer(
        self, hot: Hot, scope: Scope, receive: Receive, request_id: str
    ) -> tuple[int, Headers, dict[str, Any]]:
        """Return status, headers and body; refusals and mistakes become answers, too."""
        headers: Headers = []
        try:
            address = find_address(scope)
            headers += self.state.charge(address, 0, hot.weight, 0)
            body = await read_body(receive)
            api_key = dict(scope["headers"]).get(KEY, b"").decode("latin-1")
            query = scope["query_string"]
            trade = Permission.TRADE
            signed = verify(self.state.keyring, api_key, query, body, now_ms(), address, trade)
            if hot.orders:
                self.state.switch.check_open()
                headers += self.state.limits.count(signed.account_id, hot.orders)
            return 200, headers, await hot.answer(signed, self.state.engine)
        except Refusal as refusal:
            REFUSALS.labels(refusal.code).inc()
            if isinstance(refusal, Throttled):
                headers.append((b"retry-after", str(refusal.wait_seconds).encode()))
            return refusal.status, headers, refusal.as_json()
        except Exception as error:
            log.error("unexpected", request_id=request_id, exc_info=error)
            unknown = {"code": -1000, "msg": f"This is our mistake; the log tells of {request_id}."}
            return 500, headers, unknown


async def read_body(receive: Receive) -> bytes:
    """Return the whole body; refuse one that is too large for an order."""
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_BYTES_MAX:
            raise TOO_LARGE
        if not message.get("more_body"):
            return body
