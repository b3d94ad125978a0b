"""A Server's HTTP: read the body, admit the caller, compute or write, sign."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from prometheus_client import Counter
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from server_service import operations
from server_service.domain.streams import SIGNATURE_CHARACTERS
from server_service.operations import Asked, Text
from server_service.schemas import Info, RequestKind
from server_service.state import ServerState
from server_service.tensors import CONTENT_TYPE
from taonet.kit import signing
from taonet.kit.errors import BodyTooSlow, Refusal
from taonet.kit.hanging_up import CallerGone, unless_gone

BODY_SECONDS_MAX = 10.0
"""For a body to arrive; who sends it drop by drop is cut off."""

REQUESTS = Counter(
    "taonet_server_requests_total",
    "Requests, by kind and by outcome.",
    ["kind", "code"],
)


class CountedRoute(APIRoute):
    """Counts each request by its kind and its outcome, refusals of every layer included."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        kind = self.path.rpartition("/")[2]

        async def handle_counted(request: Request) -> Response:
            code = "Failed"
            try:
                response = await handle(request)
                code = "ok"
                return response
            except Refusal as refusal:
                code = refusal.code
                raise
            finally:
                REQUESTS.labels(kind, code).inc()

        return handle_counted


router = APIRouter(route_class=CountedRoute)


def get_state(request: Request) -> ServerState:
    state: ServerState = request.app.state.server
    return state


async def read_body(request: Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            return await request.body()
    except TimeoutError:
        raise BodyTooSlow(f"the body took more than {BODY_SECONDS_MAX:g} s to arrive") from None
    except ClientDisconnect:
        raise CallerGone("the caller hung up in the middle of its body") from None


State = Annotated[ServerState, Depends(get_state)]
Body = Annotated[bytes, Depends(read_body)]


def admit(request: Request, state: State, body: Body) -> Asked:
    """In a thread, as it waits for Redis and verifies a signature."""
    kind = RequestKind(request.url.path.rpartition("/")[2])
    return operations.admit(state, kind, request.headers, body)


Admitted = Annotated[Asked, Depends(admit)]


@router.post(RequestKind.NEXT.path, response_class=Response)
@router.post(RequestKind.EVERY.path, response_class=Response)
@router.post(RequestKind.HIDDEN.path, response_class=Response)
async def answer_with_arrays(request: Request, state: State, asked: Admitted) -> Response:
    await unless_gone(request, operations.hold_back(state))
    arrays = await unless_gone(request, operations.begin_forward(state, asked))
    body, signature = operations.finish_forward(state, asked, arrays)
    return Response(body, media_type=CONTENT_TYPE, headers={signing.SIGNATURE: signature})


@router.post(RequestKind.GENERATE.path, response_class=Response)
async def answer_with_text(request: Request, state: State, asked: Admitted) -> Response:
    await unless_gone(request, operations.hold_back(state))
    text = Text(state, asked)
    await unless_gone(request, text.begin(), text.leave)
    return TextResponse(text)


@router.get("/info")
async def info(request: Request, state: State) -> Response:
    """For everybody; signed where the request was."""
    info: Info = operations.describe_server(state)
    body = info.model_dump_json().encode()
    asked = request.headers.get(signing.SIGNATURE, "")
    headers = {}
    if len(asked) == SIGNATURE_CHARACTERS:
        headers[signing.SIGNATURE] = signing.sign_answer(state.keypair, body, asked)
    return Response(body, media_type="application/json", headers=headers)


class TextResponse(StreamingResponse):
    """Streams a text, and lets go of it however the stream ends."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.lines(), media_type="application/x-ndjson")
        self._text = text

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._text.leave()
