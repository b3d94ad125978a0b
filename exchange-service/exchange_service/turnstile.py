"""Before every request of the API: is this address banned, is its budget spent, what is left."""

from typing import Final
from urllib.parse import parse_qsl

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exchange_service.domain.weights import FREE, find_weight
from exchange_service.errors import Throttled
from exchange_service.limits import Limits
from taonet.kit.metrics import REFUSALS

PREFIXES: Final = ("/api/", "/sapi/", "/exchange/")
UNCOUNTED: Final = frozenset({"/exchange/v1/market-status"})
"""The operator's switch costs nothing to ask, and no ban may keep its operator from it."""
OK: Final = 200
HEADERS: Final = "limit_headers"
"""Where a request's scope keeps the headers about what is used."""


class Turnstile:
    """Plain ASGI around the application: counts what comes in, and says so on what goes out."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app = app
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_counted(scope["path"]):
            await self.app(scope, receive, send)
            return
        address, weight = find_address(scope), weigh(scope)
        is_free = (scope["method"], scope["path"]) in FREE
        try:
            headers = self.limits.charge(address, weight)
        except Throttled as refusal:
            await refuse(refusal, send)
            return
        scope.setdefault("state", {})[HEADERS] = headers

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                if is_free and message["status"] == OK:
                    self.limits.refund(address, weight, headers)
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await self.app(scope, receive, send_counted)


def is_counted(path: str) -> bool:
    return path.startswith(PREFIXES) and path not in UNCOUNTED


def find_address(scope: Scope) -> str:
    """Return who is connected; behind a trusted proxy, the gate has put the client here."""
    client = scope.get("client")
    return client[0] if client else ""


def weigh(scope: Scope) -> int:
    # Only to weigh: what is malformed weighs as if it were absent, and is refused later.
    asked = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    return find_weight(scope["method"], scope["path"], asked)


async def refuse(refusal: Throttled, send: Send) -> None:
    REFUSALS.labels(refusal.code).inc()
    wait = str(refusal.wait_seconds).encode()
    headers = [(b"content-type", b"application/json"), (b"retry-after", wait)]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(refusal.as_json())})
