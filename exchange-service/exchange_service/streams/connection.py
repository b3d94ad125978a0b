"""One WebSocket connection's life: a task that reads, one that writes, and what ends them."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from starlette.types import Message, Receive, Send

from exchange_service.streams.hub import Subscriber

LIFE_SECONDS: Final = 24 * 3_600
"""No connection lives longer: clients must know how to come back."""
CLOSE_SECONDS: Final = 2.0
POLICY: Final = 1008
GOING_AWAY: Final = 1001

Handle = Callable[[str], None]


class Disconnected(Exception):
    """The client is gone."""


class MessageRate:
    """So many messages a second, with some at once."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left = float(burst)
        self._at = time.monotonic()

    def allows(self) -> bool:
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


async def serve(
    receive: Receive, send: Send, subscriber: Subscriber, handle: Handle, rate: MessageRate
) -> None:
    """Write what is queued and handle what arrives, until one side has had enough."""

    def hear(text: str) -> None:
        if rate.allows():
            handle(text)
        else:
            subscriber.cut.set()

    if subscriber.wire is not None:
        subscriber.wire.hear = hear
    tasks = [
        asyncio.create_task(work)
        for work in (_write(send, subscriber), _read(receive, hear), subscriber.cut.wait())
    ]
    done, _ = await asyncio.wait(tasks, timeout=LIFE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, Disconnected | OSError):
            raise result
    if not any(isinstance(result, Disconnected | OSError) for result in results):
        await _close(send, POLICY if done else GOING_AWAY)


async def _write(send: Send, subscriber: Subscriber) -> None:
    """Send what is queued: everything, or, beside a wire, what it could not take at once."""
    while True:
        message = await subscriber.queue.get()
        await send({"type": "websocket.send", "text": message.text.decode()})
        subscriber.unsent -= 1


async def _read(receive: Receive, hear: Handle) -> None:
    """Hand on what arrives; beside a wire, that is only the end."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            raise Disconnected
        hear(read_text(message))


def read_text(message: Message) -> str:
    text: str | None = message.get("text")
    if text is not None:
        return text
    raw: bytes = message["bytes"]
    return raw.decode(errors="replace")


async def _close(send: Send, code: int) -> None:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await send({"type": "websocket.close", "code": code})
