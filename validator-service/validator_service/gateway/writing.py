"""Reading several texts at once: one task for each, and one queue for what they bring."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from server_service.client import FailureCode, GenerateEnd, GeneratePiece, ServerFailure
from taonet.kit.logging import get_logger

EVENTS_MAX = 64
"""Tokens that wait for a slow reader; beyond them the Server waits too."""

log = get_logger(__name__)

Text = AsyncGenerator[GeneratePiece | GenerateEnd, None]


@dataclass(frozen=True)
class Event:
    """What came for one of the continuations."""

    choice: int
    piece: GeneratePiece | GenerateEnd | ServerFailure


class Writing:
    """All continuations of one question, as one Server writes them."""

    def __init__(self, texts: list[Text]) -> None:
        self.began_at = 0.0
        """When each had its first token, in seconds on the monotonic clock."""
        self._queue: asyncio.Queue[Event] = asyncio.Queue(EVENTS_MAX)
        self._seen: list[Event] = []
        self._readers = [
            asyncio.create_task(self._read(choice, text)) for choice, text in enumerate(texts)
        ]

    async def begin(self) -> None:
        """Until every continuation has begun, nothing is shown, and another Server can do it."""
        await self._wait_for_all()
        self.began_at = time.monotonic()

    async def complete(self) -> None:
        """Wait for every continuation's end; until then another Server can do it."""
        ended = {event.choice for event in self._seen if isinstance(event.piece, GenerateEnd)}
        await self._wait_for_all(ended, to_the_end=True)

    async def arrived(self) -> list[Event]:
        """Return all that came since the last look; wait where nothing did."""
        events = list(self._seen) or [await self._queue.get()]
        self._seen.clear()
        while not self._queue.empty():
            events.append(self._queue.get_nowait())
        return events

    async def stop(self) -> None:
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def _wait_for_all(
        self, done: frozenset[int] | set[int] = frozenset(), *, to_the_end: bool = False
    ) -> None:
        missing = set(range(len(self._readers))) - done
        while missing:
            event = await self._queue.get()
            if isinstance(event.piece, ServerFailure):
                raise event.piece
            self._seen.append(event)
            if isinstance(event.piece, GenerateEnd) or not to_the_end:
                missing.discard(event.choice)

    async def _read(self, choice: int, text: Text) -> None:
        try:
            async with aclosing(text):
                async for piece in text:
                    await self._queue.put(Event(choice, piece))
        except ServerFailure as failure:
            await self._queue.put(Event(choice, failure))
        except Exception as error:
            # Who reads would wait for ever for what a dead task does not bring.
            log.exception("a text failed in an unknown way")
            failed = ServerFailure(FailureCode.MALFORMED, type(error).__name__)
            await self._queue.put(Event(choice, failed))
