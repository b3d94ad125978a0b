"""The transport over aiohttp: what goes wrong is told in httpx's words; connections are kept."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from taonet.kit.quick_http import QuickTransport

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\n"


def say(*answers: bytes, hang: bool = False) -> Serve:
    """A connection that reads a request before each answer, then ends it or says no more."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        if hang:
            await reader.read()
        writer.close()

    return serve


async def against(serve: Serve, ask: Callable[[httpx.AsyncClient, str], Awaitable[None]]) -> None:
    connections: list[asyncio.Task[None] | None] = []

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = QuickTransport(httpx.Limits(keepalive_expiry=5))
    try:
        async with httpx.AsyncClient(transport=transport, timeout=0.5) as http:
            await ask(http, f"http://127.0.0.1:{port}/v1/x")
    finally:
        server.close()
        # None is left to a loop that is closed already.
        ends = [connection for connection in connections if connection is not None]
        await asyncio.gather(*ends, return_exceptions=True)


async def get(http: httpx.AsyncClient, url: str) -> None:
    await http.get(url)


@pytest.mark.parametrize(
    ("serve", "expected"),
    [
        (say(b""), httpx.ReadError),
        (say(b"rubbish\r\n\r\n"), httpx.RemoteProtocolError),
        (say(OK + b"x: " + b"y" * 100_000 + b"\r\n\r\n"), httpx.RemoteProtocolError),
        (say(OK + b"content-length: 5\r\n\r\nab"), httpx.RemoteProtocolError),
        (say(OK + b"transfer-encoding: chunked\r\n\r\nzz\r\nab"), httpx.RemoteProtocolError),
        (say(OK, hang=True), httpx.ReadTimeout),
        (say(OK + b"content-length: 5\r\n\r\nab", hang=True), httpx.ReadTimeout),
    ],
    ids=["nothing", "rubbish", "a giant head", "half a body", "bad chunks", "no head", "no end"],
)
def test_a_bad_answer_is_an_httpx_error(serve: Serve, expected: type[Exception]) -> None:
    with pytest.raises(expected):
        asyncio.run(against(serve, get))


def test_nobody_there_is_an_httpx_error() -> None:
    async def ask(http: httpx.AsyncClient, url: str) -> None:
        await http.get("http://127.0.0.1:1/")

    with pytest.raises(httpx.ConnectError):
        asyncio.run(against(say(), ask))


def test_a_redirect_is_an_answer_and_its_connection_is_used_again() -> None:
    answer = b"HTTP/1.1 302 Found\r\nlocation: /y\r\ncontent-length: 0\r\n\r\n"

    async def ask(http: httpx.AsyncClient, url: str) -> None:
        for _ in range(2):
            response = await http.get(url, headers={"x": "1"})
            assert (response.status_code, response.headers["location"]) == (302, "/y")

    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
        writer.close()

    asyncio.run(against(serve, ask))
    assert len(heads) == 2, "both came over one connection"
    assert b"x: 1" in heads[1].lower()


def test_who_leaves_in_the_middle_hangs_up() -> None:
    hung_up = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n")
        await reader.read()
        hung_up.set()
        writer.close()

    async def ask(http: httpx.AsyncClient, url: str) -> None:
        async with http.stream("POST", url, content=b"{}") as response:
            assert await anext(response.aiter_raw()) == b"ab"
        await asyncio.wait_for(hung_up.wait(), 2)

    asyncio.run(against(serve, ask))
