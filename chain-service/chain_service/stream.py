"""
Blocks, events and the metagraph as they come: one watcher per process wakes any number of readers.

A reader takes pages from Postgres by height, each exactly once and in order; waking tells it only
that there may be another. So nothing is lost or repeated whatever happens to a connection.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import psycopg
from psycopg import AsyncConnection, Connection, sql
from psycopg_pool import ConnectionPool
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from chain_service import metrics, repository
from chain_service.operations import Page
from taonet.kit.db import WIRE, begin
from taonet.kit.errors import TooMany
from taonet.kit.logging import get_logger

PAGE = 50
"""Blocks that a reader takes at once."""
SILENCE_SECONDS = 15.0
"""After so long without a block a reader is told that the connection lives."""
LOOK_SECONDS = 5.0
"""The watcher looks at least this often, should a notification be missed."""
RETRY_SECONDS = 1.0
READERS_MAX = 500
BROKEN_OFF = 1011
"""A WebSocket's code for what went wrong on this side."""

Load = Callable[[int], Page]
"""Returns the page that begins at a height."""

log = get_logger(__name__)


class BlockWatch:
    """Knows the newest height, and wakes those who wait for the next."""

    def __init__(self, database_url: str, pool: ConnectionPool) -> None:
        self._database_url = database_url
        self._pool = pool
        self.state = metrics.ChainState(pool)
        self._neurons_shown = False
        self._changed = asyncio.Condition()
        self._last_time_ms: int | None = None
        self.height = -1
        self.readers = 0

    async def run(self) -> None:
        """Watch until cancelled; a Postgres that is away is waited for."""
        while True:
            try:
                await self._listen()
            except psycopg.Error as error:
                log.warning("the block watch begins again", error=str(error).strip())
                await asyncio.sleep(RETRY_SECONDS)

    async def wait_above(self, height: int, timeout_seconds: float) -> bool:
        """Wait for a block above this height; say whether there is one."""
        try:
            async with asyncio.timeout(timeout_seconds), self._changed:
                await self._changed.wait_for(lambda: self.height > height)
        except TimeoutError:
            return False
        return True

    def check_room(self) -> None:
        if self.readers >= READERS_MAX:
            raise TooMany(f"{READERS_MAX} programs read this stream already; try again later")

    async def _listen(self) -> None:
        async with await AsyncConnection.connect(
            self._database_url, autocommit=True, **WIRE
        ) as conn:
            channel = await run_in_threadpool(self._load_channel)
            await conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            while True:
                await self._look()
                async for _ in conn.notifies(timeout=LOOK_SECONDS, stop_after=1):
                    pass

    async def _look(self) -> None:
        """Take in the blocks since the last look, a page at a time."""
        while rows := await run_in_threadpool(self._load, self.height + 1):
            for row in rows:
                self._show(row)
            async with self._changed:
                self.height = rows[-1].height
                self._changed.notify_all()

    def _load_channel(self) -> str:
        with begin(self._pool) as conn:
            return repository.load_channel(conn)

    def _load(self, from_height: int) -> list[repository.BlockTimes]:
        with begin(self._pool) as conn:
            if from_height == 0:
                # A process that starts late has nothing to tell of old blocks.
                head = repository.load_head(conn)
                from_height = max(head.height if head else 0, 0)
            rows = repository.load_block_times(conn, from_height, PAGE)
            if rows:
                self._count_events(conn, rows[0].height, rows[-1].height)
            return rows

    def _count_events(self, conn: Connection, first: int, last: int) -> None:
        for uid, amount_rao in repository.sum_payouts(conn, first, last):
            metrics.PAID.labels(str(uid)).inc(amount_rao)
        if not self._neurons_shown or repository.has_network_changed(conn, first):
            self.state.note_neurons(conn)
            self._neurons_shown = True
        for reason, count in repository.count_failures(conn, first, last):
            metrics.FAILED.labels(reason).inc(count)
        for status, count in repository.count_outcomes(conn, first, last):
            metrics.INCLUDED.labels(status).inc(count)

    def _show(self, row: repository.BlockTimes) -> None:
        if self._last_time_ms is not None:
            metrics.BLOCK_INTERVAL.observe((row.time_ms - self._last_time_ms) / 1000)
            metrics.APPLY_SECONDS.observe(row.apply_microseconds / 1e6)
        self._last_time_ms = row.time_ms


async def follow(watch: BlockWatch, load: Load, from_height: int) -> AsyncIterator[Page]:
    """Yield pages from a height on for ever; one without entries tells that nothing came."""
    following = from_height
    watch.readers += 1
    try:
        while True:
            if not await watch.wait_above(following - 1, SILENCE_SECONDS):
                yield Page([], following)
                continue
            page = await run_in_threadpool(load, following)
            following = page.next_height
            yield page
    finally:
        watch.readers -= 1


async def send_events(pages: AsyncIterator[Page], kind: str) -> AsyncIterator[str]:
    """Write pages as server-sent events; their ids name what a browser saw last."""
    yield ": welcome\n\n"
    async for page in pages:
        told = (f"id: {name}\nevent: {kind}\ndata: {body}\n\n" for name, body in page.entries)
        yield "".join(told) or ": alive\n\n"


async def send_messages(socket: WebSocket, pages: AsyncIterator[Page]) -> None:
    """
    Write each entry as a message of a WebSocket, until the other side goes.

    Where the pages break off it is closed with 1011, so that the other side asks again.
    """
    await socket.accept()
    tasks = [asyncio.create_task(work) for work in (_send_all(socket, pages), _wait_gone(socket))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _send_all(socket: WebSocket, pages: AsyncIterator[Page]) -> None:
    try:
        async for page in pages:
            for _, body in page.entries:
                await socket.send_text(body)
    except WebSocketDisconnect:
        return
    except Exception as error:
        log.warning("a stream broke off", error=str(error).strip() or type(error).__name__)
        await socket.close(BROKEN_OFF, "the stream broke off; go on from what you saw last")


async def _wait_gone(socket: WebSocket) -> None:
    """Return when the other side goes, which is heard only by listening; it says nothing else."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
