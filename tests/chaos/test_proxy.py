"""A link that is whole carries everything; one that fails does so in the way it was told to."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from tests.chaos.links import Link
from tests.chaos.proxy import HOST, Proxy
from tests.chaos.schedule import Kind
from tests.conftest import free_port

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SECONDS = 0.4


@dataclass
class Stage:
    """A proxy, and the connections made through it."""

    proxy: Proxy
    opened: list[Ends] = field(default_factory=list)

    async def enter(self) -> Ends:
        self.opened.append(await asyncio.open_connection(HOST, self.proxy.link.port))
        return self.opened[-1]

    async def fail(self, kind: Kind, seconds: float, delay: float = 0) -> "asyncio.Task[None]":
        """Begin to fail, and return while it lasts."""
        failing = asyncio.create_task(self.proxy.fail(kind, seconds, delay))
        await asyncio.sleep(0)
        return failing


@asynccontextmanager
async def echoing() -> AsyncIterator[Stage]:
    """A proxy before a server that says everything again, and ends when its caller does."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(1_000):
                writer.write(piece)
        writer.close()

    server = await asyncio.start_server(echo, HOST, 0)
    far_port = server.sockets[0].getsockname()[1]
    stage = Stage(Proxy(Link("near", "far", free_port(), far_port)))
    await stage.proxy.start()
    try:
        yield stage
    finally:
        for _, writer in stage.opened:
            writer.close()
        await stage.proxy.close()
        server.close()
        await server.wait_closed()


async def say(ends: Ends, words: bytes) -> bytes:
    reader, writer = ends
    writer.write(words)
    return await reader.readexactly(len(words))


def play(scene: Callable[[Stage], Awaitable[None]]) -> None:
    async def run() -> None:
        async with echoing() as stage:
            await scene(stage)

    asyncio.run(asyncio.wait_for(run(), 20))


def test_a_whole_link_carries_bytes_and_their_end() -> None:
    async def scene(stage: Stage) -> None:
        ends = await stage.enter()
        long = bytes(range(256)) * 4_000
        assert await say(ends, long) == long
        ends[1].write_eof()
        assert await ends[0].read() == b""

    play(scene)


def test_what_a_cut_link_holds_back_arrives_once_it_heals() -> None:
    async def scene(stage: Stage) -> None:
        ends = await stage.enter()
        assert await say(ends, b"before") == b"before"
        began = time.monotonic()
        failing = await stage.fail(Kind.CUT, SECONDS)
        late = await stage.enter()  # Taken, but nobody is there.
        assert await say(ends, b"held") == b"held"
        assert time.monotonic() - began >= SECONDS
        assert await say(late, b"late") == b"late"
        await failing

    play(scene)


def test_a_reset_link_tears_down_and_refuses_until_it_heals() -> None:
    async def scene(stage: Stage) -> None:
        ends = await stage.enter()
        assert await say(ends, b"before") == b"before"
        failing = await stage.fail(Kind.RESET, SECONDS)
        with pytest.raises(ConnectionResetError):
            await ends[0].read()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await say(await stage.enter(), b"refused")
        await failing
        assert await say(await stage.enter(), b"after") == b"after"

    play(scene)


def test_a_slow_link_delays_each_way() -> None:
    async def scene(stage: Stage) -> None:
        ends = await stage.enter()
        failing = await stage.fail(Kind.SLOW, 2 * SECONDS, SECONDS / 2)
        began = time.monotonic()
        assert await say(ends, b"slow") == b"slow"
        assert time.monotonic() - began >= SECONDS
        await failing

    play(scene)


def test_a_far_end_that_is_away_resets_the_near_one() -> None:
    async def scene(stage: Stage) -> None:
        lonely = Stage(Proxy(Link("near", "nobody", free_port(), free_port())), stage.opened)
        await lonely.proxy.start()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await say(await lonely.enter(), b"anybody?")
        await lonely.proxy.close()

    play(scene)
