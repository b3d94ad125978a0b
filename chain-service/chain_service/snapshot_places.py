"""
Who may read a snapshot: few at once, and nobody for longer than it takes.

A snapshot is one long transaction that moves at its reader's pace. So it has a connection of its
own, which no other request waits for, and a reader who stops reading loses it.
"""

import asyncio
import threading
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import StreamingResponse
from psycopg import Connection
from starlette.types import Message, Send

from taonet.kit.db import begin_once
from taonet.kit.errors import TooMany
from taonet.kit.logging import get_logger

SNAPSHOTS_MAX = 2
STALL_SECONDS = 30.0
"""A reader who takes nothing for so long is cut off."""

log = get_logger(__name__)


def make_places() -> threading.Semaphore:
    """Return the places of a process, as an app keeps them in `app.state.snapshot_places`."""
    return threading.BoundedSemaphore(SNAPSHOTS_MAX)


def _begin_for_snapshot(request: Request) -> Iterator[Connection]:
    places: threading.Semaphore = request.app.state.snapshot_places
    if not places.acquire(blocking=False):
        raise TooMany(f"{SNAPSHOTS_MAX} programs read a snapshot already; come again in a minute")
    try:
        with begin_once(request.app.state.settings.database_url) as conn:
            yield conn
    finally:
        places.release()


# scope="request": the place is kept until the last line has left, or the reader.
SnapshotTransaction = Annotated[Connection, Depends(_begin_for_snapshot, scope="request")]


class TimelyResponse(StreamingResponse):
    """A stream that ends where its reader takes nothing for STALL_SECONDS."""

    async def stream_response(self, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(STALL_SECONDS):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            log.warning("the reader of a snapshot was cut off", seconds=STALL_SECONDS)
