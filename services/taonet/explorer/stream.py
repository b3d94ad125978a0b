"""One source, many browsers: hands each event to every page that listens, and waits for none."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from taonet.explorer.metrics import LISTENERS

EVENTS_WAITING_MAX = 64
"""Events that a slow browser may fall behind before it must begin anew."""
LISTENERS_MAX = 500


@dataclass(frozen=True)
class Event:
    name: str
    data: dict[str, Any]


class Broadcast:
    """Listeners come and go; `send` never blocks."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[Event | None]] = set()

    @property
    def is_full(self) -> bool:
        return len(self._queues) >= LISTENERS_MAX

    @property
    def listener_count(self) -> int:
        return len(self._queues)

    def send(self, name: str, **data: Any) -> None:
        for queue in list(self._queues):
            if queue.full():
                self._drop(queue)
            else:
                queue.put_nowait(Event(name, data))

    async def listen(self) -> AsyncIterator[Event]:
        """Yield events from now on; ends where the listener fell behind, so that it reconnects."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue(EVENTS_WAITING_MAX)
        self._queues.add(queue)
        LISTENERS.inc()
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._queues.discard(queue)
            LISTENERS.dec()

    def _drop(self, queue: asyncio.Queue[Event | None]) -> None:
        self._queues.discard(queue)
        queue.get_nowait()
        queue.put_nowait(None)
