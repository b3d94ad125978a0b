"""The client against Servers that lie, flood, stall and break off: always one typed failure."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
import numpy as np
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from tests.conftest import free_port
from tests.server_service.serving import serving

from server_service.calls import base_url
from server_service.client import (
    LINE_BYTES_MAX,
    FailureCode,
    GenerateRequest,
    ServerAddress,
    ServerClient,
    ServerFailure,
)
from server_service.domain.streams import append_signature, bytes_to_sign
from server_service.schemas import RequestKind
from server_service.tensors import pack_tensors
from taonet.kit import signing
from taonet.kit.keys import Keypair
from taonet.kit.quick_http import QuickTransport

LIAR = Keypair.create_from_uri("//Liar")
CALLER = Keypair.create_from_uri("//Caller")
TOKENS = np.zeros((2, 4), np.int64)
GOOD = pack_tensors(
    {
        "ids": np.zeros((2, 1, 1), np.int32),
        "probabilities": np.full((2, 1), 0.5, np.float32),
        "floor": np.zeros(2, np.float32),
    }
)
LINE = b'{"token":1,"text":"a","logprob":-0.5}\n'
END = b'{"finish_reason":"stop","usage":{"prompt_tokens":1,"completion_tokens":1}}'

Handler = Callable[[Request], Awaitable[Response]]


def signed(request: Request, body: bytes, keypair: Keypair = LIAR) -> dict[str, str]:
    asked = request.headers[signing.SIGNATURE]
    return {signing.SIGNATURE: signing.sign_answer(keypair, body, asked)}


def against(
    path: str, handler: Handler, ask: Callable[[ServerClient, ServerAddress], object]
) -> str:
    """The code of the failure that a client meets at a Server that answers so."""
    app = FastAPI()

    @app.post(path)
    async def answer(request: Request) -> Response:
        return await handler(request)

    async def run(transport: httpx.AsyncBaseTransport) -> None:
        async with httpx.AsyncClient(transport=transport) as http:
            address = ServerAddress(LIAR.ss58_address, "127.0.0.1", port)
            result = ask(ServerClient(CALLER, http), address)
            assert isinstance(result, Awaitable)
            await result

    port, codes = free_port(), []
    with serving(app, port):
        for transport in (httpx.AsyncHTTPTransport(), QuickTransport(httpx.Limits())):
            with pytest.raises(ServerFailure) as caught:
                asyncio.run(run(transport))
            codes.append(caught.value.code)
    assert codes[0] == codes[1], "each transport tells it otherwise"
    return codes[0]


def next_phrases_from(handler: Handler, timeout_seconds: float = 5) -> str:
    return against(
        RequestKind.NEXT.path,
        handler,
        lambda client, address: client.next_phrases(
            address, TOKENS, top_k=1, timeout_seconds=timeout_seconds
        ),
    )


def text_from(handler: Handler, timeout_seconds: float = 5) -> str:
    async def read(client: ServerClient, address: ServerAddress) -> None:
        request = GenerateRequest(prompt="a", max_new_tokens=2)
        async for _ in client.generate(address, request, timeout_seconds=timeout_seconds):
            pass

    return against(RequestKind.GENERATE.path, handler, read)


def test_an_unsigned_answer() -> None:
    async def answer(request: Request) -> Response:
        return Response(GOOD)

    assert next_phrases_from(answer) == FailureCode.UNSIGNED


def test_an_answer_signed_by_another() -> None:
    async def answer(request: Request) -> Response:
        return Response(GOOD, headers=signed(request, GOOD, CALLER))

    assert next_phrases_from(answer) == FailureCode.UNSIGNED


def test_an_answer_to_another_request() -> None:
    async def answer(request: Request) -> Response:
        return Response(
            GOOD, headers={signing.SIGNATURE: signing.sign_answer(LIAR, GOOD, "00" * 64)}
        )

    assert next_phrases_from(answer) == FailureCode.UNSIGNED


@pytest.mark.parametrize("body", [b"", b"\x00" * 100, GOOD[:-1], pack_tensors({"a": TOKENS})])
def test_signed_nonsense(body: bytes) -> None:
    async def answer(request: Request) -> Response:
        return Response(body, headers=signed(request, body))

    assert next_phrases_from(answer) == FailureCode.MALFORMED


@pytest.mark.alone
def test_an_endless_answer() -> None:
    async def answer(request: Request) -> Response:
        async def flood() -> object:
            while True:
                yield bytes(65536)
                await asyncio.sleep(0)

        return StreamingResponse(flood())  # type: ignore[arg-type]

    started = time.monotonic()
    assert next_phrases_from(answer) == FailureCode.MALFORMED
    assert text_from(answer) == FailureCode.MALFORMED
    assert time.monotonic() - started < 5


def test_an_endless_refusal() -> None:
    async def answer(request: Request) -> Response:
        async def flood() -> object:
            while True:
                yield bytes(65536)
                await asyncio.sleep(0)

        return StreamingResponse(flood(), status_code=503)  # type: ignore[arg-type]

    assert next_phrases_from(answer) == FailureCode.UNAVAILABLE


@pytest.mark.alone
def test_an_answer_drop_by_drop() -> None:
    async def answer(request: Request) -> Response:
        async def drip() -> object:
            while True:
                yield b"x"
                await asyncio.sleep(0.05)

        return StreamingResponse(drip())  # type: ignore[arg-type]

    started = time.monotonic()
    assert next_phrases_from(answer, timeout_seconds=0.4) == FailureCode.TIMEOUT
    assert time.monotonic() - started < 3


def test_a_compressed_answer() -> None:
    async def answer(request: Request) -> Response:
        return Response(GOOD, headers={**signed(request, GOOD), "content-encoding": "gzip"})

    assert next_phrases_from(answer) == FailureCode.MALFORMED


def test_a_redirect() -> None:
    async def answer(request: Request) -> Response:
        return Response(status_code=307, headers={"location": "http://127.0.0.1:1/"})

    assert next_phrases_from(answer) == FailureCode.REFUSED


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (429, b'{"error":{"code":"RateLimited","message":"slow down"}}', FailureCode.RATE_LIMITED),
        (429, b'{"error":{"code":"QueueFull","message":"full"}}', FailureCode.QUEUE_FULL),
        (504, b'{"error":{"code":"DeadlinePassed","message":"late"}}', FailureCode.TIMEOUT),
        (401, b'{"error":{"code":"Unauthenticated","message":"?"}}', FailureCode.UNAUTHENTICATED),
        (422, b'{"error":{"code":"Malformed","message":"?"}}', FailureCode.REFUSED),
        (500, b"oops", FailureCode.UNAVAILABLE),
        (403, b"[]", FailureCode.REFUSED),
        (403, b'{"error":7}', FailureCode.REFUSED),
    ],
)
def test_refusals_keep_their_meaning(status: int, body: bytes, code: FailureCode) -> None:
    async def answer(request: Request) -> Response:
        return Response(body, status_code=status)

    assert code == next_phrases_from(answer)


def stream_of(*lines: bytes) -> Handler:
    async def answer(request: Request) -> Response:
        return Response(b"".join(lines))

    return answer


def end_signed_by(keypair: Keypair, end: bytes = END, lines: bytes = LINE) -> Handler:
    async def answer(request: Request) -> Response:
        over = bytes_to_sign(lines, END)
        signature = signing.sign_answer(keypair, over, request.headers[signing.SIGNATURE])
        return Response(lines + append_signature(end, signature))

    return answer


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (b"\n",),
        (LINE,),
        (LINE[:-3],),
        (b"[1]\n",),
        (b'{"token":"x","text":"a","logprob":-0.5}\n',),
        (b'{"token":1,"text":"a","logprob":-0.5,"more":1}\n',),
        (LINE, append_signature(END, "xyz")),
        (b"\xff\xfe\n",),
    ],
)
def test_streams_that_are_no_text(lines: tuple[bytes, ...]) -> None:
    assert text_from(stream_of(*lines)) == FailureCode.MALFORMED


def test_streams_signed_by_another_or_changed_on_the_way() -> None:
    assert text_from(end_signed_by(CALLER)) == FailureCode.UNSIGNED
    changed = END.replace(b'"completion_tokens":1', b'"completion_tokens":9')
    assert text_from(end_signed_by(LIAR, changed)) == FailureCode.UNSIGNED


@pytest.mark.parametrize(
    "lines", [LINE * 3, LINE.replace(b"a", b"a" * LINE_BYTES_MAX)], ids=["tokens", "letters"]
)
def test_a_text_with_more_than_was_asked_for(lines: bytes) -> None:
    """Two tokens are asked for; each is paid for, and no more than two were set aside."""
    assert text_from(end_signed_by(LIAR, lines=lines)) == FailureCode.MALFORMED


@pytest.mark.parametrize("ip", ["localhost", "2606:4700::1%é", "2606:4700::1%a b", ""])
def test_what_no_url_can_hold_is_not_dialled(ip: str) -> None:
    with pytest.raises(ServerFailure) as caught:
        base_url(ServerAddress(LIAR.ss58_address, ip, 8091))
    assert caught.value.code == FailureCode.UNAVAILABLE


def test_a_stream_that_ends_in_a_refusal() -> None:
    refusal = b'{"error":{"code":"EngineFailed","message":"out of memory"}}\n'
    assert text_from(stream_of(LINE, refusal)) == FailureCode.UNAVAILABLE
