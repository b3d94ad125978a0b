"""
The web application that every service starts from.

It answers `/healthz` (alive), `/readyz` (can serve), `/metrics`, limits the body's size and time
before anything reads it, gives each request an id, and turns every refusal into the one JSON shape.
"""

import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    nullcontext,
)
from typing import Any

import psycopg
import redis
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taonet.kit.bodies import Body
from taonet.kit.errors import BodyTooSlow, Malformed, Refusal, Unavailable
from taonet.kit.exposition import Exposition
from taonet.kit.lifespans import tell_plainly
from taonet.kit.logging import configure_logging, get_logger
from taonet.kit.metrics import METHODS, REFUSALS, REQUEST_SECONDS
from taonet.kit.tracing import configure_tracing, is_tracing, span
from taonet.kit.version import VERSION

BODY_BYTES_MAX = 1_000_000
BODY_SECONDS_MAX = 30.0
"""For a whole body to arrive; who sends it drop by drop is cut off."""
REQUEST_ID = "x-request-id"
SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
"""On every answer: read as what it says it is, in nobody's frame, without telling who linked."""

Check = Callable[[], str | None]
"""A readiness check: None when all is well, else a sentence that says what is not."""
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

STORE_AWAY = (psycopg.OperationalError, redis.ConnectionError)
"""What Postgres, its pool and Redis raise while they are away or restart."""

log = get_logger(__name__)


def create_app(
    service: str,
    *,
    title: str,
    log_level: str = "info",
    traces_endpoint: str = "",
    lifespan: Lifespan | None = None,
    checks: dict[str, Check] | None = None,
    body_bytes_max: int = BODY_BYTES_MAX,
    body_seconds_max: float = BODY_SECONDS_MAX,
) -> FastAPI:
    """Return an application with what all services have in common; the caller adds its routes."""
    configure_logging(service, log_level)
    configure_tracing(service, traces_endpoint)
    # The pages of /docs come from a package, not from somebody else's network.
    app = FastAPIOffline(redoc_url=None, title=title, lifespan=lifespan or _no_lifespan)
    app.state.checks = dict(checks or {})
    app.add_exception_handler(Refusal, _render_refusal)
    app.add_exception_handler(RequestValidationError, _render_malformed)
    app.add_exception_handler(HTTPException, _render_http)
    for error in STORE_AWAY:
        app.add_exception_handler(error, _render_away)
    app.add_exception_handler(Exception, _render_mistake)
    app.add_middleware(_Envelope, body_bytes_max=body_bytes_max, body_seconds_max=body_seconds_max)
    app.get("/healthz", tags=["operation"])(_healthz)
    app.get("/readyz", tags=["operation"])(_readyz)
    app.get("/metrics", tags=["operation"])(_metrics)
    return app


@asynccontextmanager
async def _no_lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield


def _healthz() -> dict[str, str]:
    return {"status": "alive", "version": VERSION}


def _readyz(request: Request) -> dict[str, str]:
    problems = {}
    for name, check in request.app.state.checks.items():
        try:
            problem = check()
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        if problem is not None:
            problems[name] = problem
    if problems:
        summary = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
        raise Unavailable(f"not ready: {summary}", checks=problems)
    return {"status": "ready"}


def _metrics(request: Request) -> Response:
    state, readable = "", 1
    if (read_state := getattr(request.app.state, "read_state", None)) is not None:
        try:
            state = read_state()
        except STORE_AWAY as error:
            log.warning("no metrics of the state", error=str(error).strip())
            readable = 0
    page = Exposition()
    page.value("gauge", "taonet_state_readable", "1 while the store can be read.", readable)
    return Response(generate_latest() + f"{state}{page}".encode(), media_type=CONTENT_TYPE_LATEST)


def _render_refusal(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    REFUSALS.labels(error.code).inc()
    headers = {"retry-after": "1"} if error.status in (429, 503) else None
    return JSONResponse(error.as_json(), status_code=error.status, headers=headers)


def _render_malformed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    # What a validator of ours says is the sentence; pydantic puts the exception's kind before it.
    message = first["msg"].removeprefix("Value error, ")
    return _render_refusal(request, Malformed(f"{where}: {message}"))


def _render_away(request: Request, error: Exception) -> JSONResponse:
    log.warning("a store is away", error=str(error).strip())
    return _render_refusal(
        request, Unavailable("the service waits for its database; try again in a moment")
    )


def _render_mistake(request: Request, error: Exception) -> JSONResponse:
    request_id = request.state.request_id
    log.error("unexpected", request_id=request_id, exc_info=error)
    message = f"this is our mistake; the log tells more of request {request_id}"
    body = {"error": {"code": "InternalError", "message": message}}
    # This answer is given outside the envelope, which therefore can't mark it.
    marks = ((REQUEST_ID.encode(), request_id.encode()), *SAFE_HEADERS)
    headers = {name.decode(): value.decode() for name, value in marks}
    return JSONResponse(body, status_code=500, headers=headers)


def _render_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if error.status_code in (404, 405):
        asked = f"{request.method} {request.url.path}"
        message = f"this service has no {asked}; its /docs lists what it has"
    body: dict[str, Any] = {"error": {"code": f"Http{error.status_code}", "message": message}}
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


def request_span(scope: Scope, request_id: str) -> AbstractContextManager[Span]:
    """Return the span of a request, which goes on with its caller's trace."""
    if not is_tracing():
        return nullcontext(INVALID_SPAN)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return span(scope["method"], SpanKind.SERVER, headers, **{"taonet.request_id": request_id})


class _Envelope:
    """Around every request: its id, limits and measured time. Plain ASGI, so that streams flow."""

    def __init__(self, app: ASGIApp, body_bytes_max: int, body_seconds_max: float) -> None:
        self.app = app
        self.body_bytes_max = body_bytes_max
        self.body_seconds_max = body_seconds_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            is_lifespan = scope["type"] == "lifespan"
            await self.app(scope, receive, tell_plainly(send) if is_lifespan else send)
            return
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = 500

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (REQUEST_ID.encode(), request_id.encode()),
                    *SAFE_HEADERS,
                ]
            await send(message)

        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            request_span(scope, request_id) as traced,
        ):
            await self._answer(scope, receive, send_marked)
            route = getattr(scope.get("route"), "path", "unmatched")
            traced.update_name(f"{scope['method']} {route}")
            traced.set_attribute("http.response.status_code", status)
        elapsed = time.perf_counter() - started
        method = scope["method"] if scope["method"] in METHODS else "other"
        REQUEST_SECONDS.labels(method, route, str(status)).observe(elapsed)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = Body(receive, self.body_bytes_max, self.body_seconds_max)
        body.check_declared(scope)

        async def send_unless_refused(message: Message) -> None:
            # Frameworks answer a failed read in their own words; ours name the limit.
            if body.refusal is None:
                body.is_answered = True
                await send(message)

        if body.refusal is None:
            await self.app(scope, body.receive, send_unless_refused)
        if body.refusal is not None:
            await _refuse(body.refusal, scope, receive, send)


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse as the application does: a gateway in OpenAI's words, an explorer by a page."""
    response: Response = scope["app"].exception_handlers[Refusal](Request(scope), refusal)
    if isinstance(refusal, BodyTooSlow):
        # The rest of the body may never come, and until then nothing else can.
        response.headers["connection"] = "close"
    await response(scope, receive, send)
