"""A TCP proxy that can be told to fail: to lose, to reset, or to delay what passes through it."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import replace

from tests.chaos.links import Link
from tests.chaos.schedule import Kind

HOST = "127.0.0.1"
READ_BYTES = 65_536
LINGER_NOT = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 s: closing sends a reset, as a machine does that has forgotten a connection."""


class Proxy:
    """One link: open, until it is told to fail for a while."""

    def __init__(self, link: Link, host: str = HOST) -> None:
        self.link = link
        self.host = host
        self._refuses = False
        self._delay_seconds = 0.0
        self._passable = asyncio.Event()
        self._passable.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, self.host, self.link.port)

    def point_to(self, port: int) -> None:
        """Lead new connections elsewhere; those that stand stay where they are."""
        self.link = replace(self.link, target_port=port)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._tear_down()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def fail(self, kind: Kind, seconds: float, delay_seconds: float) -> None:
        """Fail in one way for so long, then be whole again."""
        if kind is Kind.CUT:
            self._passable.clear()
        elif kind is Kind.SLOW:
            self._delay_seconds = delay_seconds
        else:
            self._refuses = True
            self._tear_down()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._passable.set()
            self._refuses, self._delay_seconds = False, 0.0

    def _tear_down(self) -> None:
        for writer in list(self._writers):
            _reset(writer)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        if self._refuses:
            _reset(writer)
            return
        self._writers.add(writer)
        try:
            await self._join(reader, writer)
        except asyncio.CancelledError:
            pass  # The proxy is closed; its server would take the cancellation for a failure.
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._passable.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self.link.target_port)
        except OSError:
            _reset(writer)
            return
        self._writers.add(far_writer)
        ways = [
            asyncio.create_task(self._carry(reader, far_writer)),
            asyncio.create_task(self._carry(far_reader, writer)),
        ]
        try:
            await asyncio.gather(*ways)
        finally:
            for way in ways:
                way.cancel()
            self._writers.discard(far_writer)
            far_writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on all that comes, and its end; a reset of one side resets the other."""
        try:
            while piece := await reader.read(READ_BYTES):
                if self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                await self._passable.wait()
                writer.write(piece)
                await writer.drain()
            await self._passable.wait()
            with contextlib.suppress(OSError):
                writer.write_eof()
        except OSError:
            _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    writer.transport.abort()
