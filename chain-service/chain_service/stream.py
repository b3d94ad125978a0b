"""
New blocks as they come: one watcher per process, and any number of readers that it wakes.

A reader takes blocks from Postgres by height, each exactly once and in order; waking tells it only
that there may be another. So nothing is lost or repeated whatever happens to a connection.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
from psycopg import AsyncConnection, sql
from psycopg_pool import ConnectionPool
from starlette.concurrency import run_in_threadpool

from chain_service import metrics, operations, repository
from taonet.kit.db import begin
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

log = get_logger(__name__)


class BlockWatch:
    """Knows the newest height, and wakes those who wait for the next."""

    def __init__(self, database_url: str, pool: ConnectionPool) -> None:
        self._database_url = database_url
        self._pool = pool
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
        async with await AsyncConnection.connect(self._database_url, autocommit=True) as conn:
            schema = await (await conn.execute("SELECT current_schema()")).fetchone()
            assert schema is not None
            channel = sql.Identifier(f"{schema[0]}.block")
            await conn.execute(sql.SQL("LISTEN {}").format(channel))
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

    def _load(self, from_height: int) -> list[repository.BlockTimes]:
        with begin(self._pool) as conn:
            if from_height == 0:
                # A process that starts late has nothing to tell of old blocks.
                head = repository.load_head(conn)
                from_height = max(head.height if head else 0, 0)
            rows = repository.load_block_times(conn, from_height, PAGE)
            if rows:
                metrics.MEMPOOL.set(repository.count_waiting(conn))
                metrics.show_neurons(operations.read_metagraph(conn).neurons)
                self._count_events(conn, rows)
            return rows

    def _count_events(self, conn: Any, rows: list[repository.BlockTimes]) -> None:
        first, last = rows[0].height, rows[-1].height
        for uid, amount_rao in repository.sum_payouts(conn, first, last):
            metrics.PAID.labels(str(uid)).inc(amount_rao)
        for reason, count in repository.count_failures(conn, first, last):
            metrics.FAILED.labels(reason).inc(count)

    def _show(self, row: repository.BlockTimes) -> None:
        metrics.HEIGHT.set(row.height)
        metrics.ISSUANCE.set(row.issuance_rao / metrics.RAO_PER_TAO)
        metrics.POT.set(row.pot_rao / metrics.RAO_PER_TAO)
        if self._last_time_ms is not None:
            metrics.BLOCK_INTERVAL.observe((row.time_ms - self._last_time_ms) / 1000)
            metrics.APPLY_SECONDS.observe(row.apply_microseconds / 1e6)
        self._last_time_ms = row.time_ms


async def read_stream(
    watch: BlockWatch, load: Callable[[int], list[dict[str, Any]]], from_height: int
) -> AsyncIterator[str]:
    """Yield server-sent events: every block from a height on, then each new one, for ever."""
    following = from_height
    watch.readers += 1
    try:
        yield ": welcome\n\n"
        while True:
            if not await watch.wait_above(following - 1, SILENCE_SECONDS):
                yield ": alive\n\n"
                continue
            for block in await run_in_threadpool(load, following):
                height = block["header"]["height"]
                assert height == following, "heights have no gaps"
                following = height + 1
                yield f"id: {height}\nevent: block\ndata: {json.dumps(block)}\n\n"
    finally:
        watch.readers -= 1
