"""
Extrinsics on their way in: judged side by side, written together.

Requests are judged in parallel. What is signed well joins the next group, and a group is one
transaction: while it commits, the following one gathers. A request is answered when its group is
durable, so a busy chain pays for one commit, not for one per request.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import redis
from psycopg_pool import ConnectionPool, PoolTimeout
from starlette.concurrency import run_in_threadpool

from chain_service import operations
from chain_service.domain.errors import MempoolFull
from chain_service.doorbell import ring
from chain_service.orders import SignedOrder
from chain_service.schemas import Submitted
from chain_service.verifying import Verifiers
from taonet.kit.db import begin
from taonet.kit.errors import Refusal
from taonet.kit.tracing import note_beginning

GROUP_MAX = 5_000
"""Extrinsics of one transaction."""
GATHERED_MAX = 20_000
"""Extrinsics that are being judged, or wait to be written; more are told to come again."""

Answer = Submitted | Refusal


@dataclass(frozen=True)
class Gathered:
    """A request's signed orders, and where its answers are awaited."""

    signed: Sequence[SignedOrder]
    answers: asyncio.Future[list[Answer]]


class Intake:
    """The way in, of one process."""

    def __init__(self, pool: ConnectionPool, bell: redis.Redis) -> None:
        self._pool, self._bell = pool, bell
        self._verifiers = Verifiers()
        self._gathered: asyncio.Queue[Gathered] = asyncio.Queue()
        self._count = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write groups for as long as this context lasts."""
        writing = asyncio.create_task(self._write_groups())
        try:
            yield
        finally:
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
            self._verifiers.close()

    async def submit(self, items: Sequence[Any]) -> list[Answer]:
        """Answer each extrinsic, in order, once those that are taken are durable."""
        if self._count + len(items) > GATHERED_MAX:
            raise MempoolFull(f"{self._count} extrinsics are on their way in; send it again later")
        self._count += len(items)
        try:
            answers: list[Any] = await run_in_threadpool(self._verifiers.judge, items)
            signed = [answer for answer in answers if isinstance(answer, SignedOrder)]
            taken = iter(await self._join_group(signed))
        finally:
            self._count -= len(items)
        told = [next(taken) if isinstance(answer, SignedOrder) else answer for answer in answers]
        for answer in told:
            if isinstance(answer, Submitted):
                note_beginning("extrinsic taken in", answer.hash)
        return told

    async def _join_group(self, signed: Sequence[SignedOrder]) -> list[Answer]:
        if not signed:
            return []
        entry = Gathered(signed, asyncio.get_running_loop().create_future())
        self._gathered.put_nowait(entry)
        return await entry.answers

    async def _write_groups(self) -> None:
        while True:
            group = [await self._gathered.get()]
            while not self._gathered.empty() and sum(len(g.signed) for g in group) < GROUP_MAX:
                group.append(self._gathered.get_nowait())
            await self._settle_group(group)

    async def _settle_group(self, group: Sequence[Gathered]) -> None:
        """Write a group, and answer each request of it."""
        try:
            answers = await run_in_threadpool(self._write, group)
        except (psycopg.OperationalError, PoolTimeout) as error:
            # Postgres is away: whoever waits is told so, and asks again.
            for entry in group:
                _settle(entry, error)
        except Exception as error:
            # What one request brings must not be another's failure: each by itself.
            if len(group) == 1:
                _settle(group[0], error)
                return
            for entry in group:
                await self._settle_group([entry])
        else:
            rest = iter(answers)
            for entry in group:
                _settle(entry, [next(rest) for _ in entry.signed])

    def _write(self, group: Sequence[Gathered]) -> list[Answer]:
        signed = [order for entry in group for order in entry.signed]
        with begin(self._pool) as conn:
            answers = operations.submit_extrinsics(conn, signed)
        if any(isinstance(answer, Submitted) for answer in answers):
            ring(self._bell, len(answers))
        return answers


def _settle(entry: Gathered, outcome: list[Answer] | Exception) -> None:
    """Answer a request, unless whoever asked has gone."""
    if entry.answers.done():
        return
    if isinstance(outcome, Exception):
        entry.answers.set_exception(outcome)
    else:
        entry.answers.set_result(outcome)
