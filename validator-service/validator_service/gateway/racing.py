"""Asking Servers until one delivers: the next when one fails, and, if wished, when one is slow."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from server_service.client import ServerFailure
from taonet.kit.logging import get_logger
from validator_service.gateway.directory import KnownServer
from validator_service.gateway.errors import NoServerAvailable
from validator_service.gateway.observing import Observations

log = get_logger(__name__)


class Delivery(Protocol):
    """What a Server has begun to deliver."""

    async def stop(self) -> None:
        """Let go of the Server."""


Delivered = TypeVar("Delivered", bound=Delivery)


class Race(Generic[Delivered]):
    """One call's way through the Servers that may answer it."""

    def __init__(
        self,
        seen: Observations,
        ask: Callable[[KnownServer], Awaitable[Delivered]],
        note_failure: Callable[[KnownServer], None],
        hedging: bool,
    ) -> None:
        self._seen = seen
        self._ask = ask
        self._note_failure = note_failure
        self._hedging = hedging
        self._running: dict[asyncio.Task[Delivered], KnownServer] = {}
        self._reasons: list[str] = []

    async def run(self, servers: list[KnownServer]) -> tuple[KnownServer, Delivered]:
        """Return who delivered first, and what; raises NoServerAvailable where nobody does."""
        waiting = list(servers)
        try:
            while waiting or self._running:
                if waiting and not self._running:
                    self._start(waiting.pop(0))
                done = await self._wait(may_hedge=bool(waiting))
                if not done:
                    self._start(waiting.pop(0))
                for task in done:
                    if (delivered := self._judge(task)) is not None:
                        return self._running.pop(task), delivered
                    del self._running[task]
        finally:
            await self._leave_rest()
        reasons = ", ".join(self._reasons)
        raise NoServerAvailable(f"no Server answered ({reasons}); nothing was charged")

    def _start(self, server: KnownServer) -> None:
        self._running[asyncio.create_task(self._counted(server))] = server

    async def _counted(self, server: KnownServer) -> Delivered:
        self._seen.begin(server.hotkey)
        try:
            return await self._ask(server)
        except BaseException:
            self._seen.end(server.hotkey)
            raise

    async def _wait(self, *, may_hedge: bool) -> "set[asyncio.Task[Delivered]]":
        """Return what came to an end; nothing where it is time to ask one more."""
        patience = None
        if self._hedging and may_hedge and len(self._running) == 1:
            (server,) = self._running.values()
            patience = self._seen.patience(server.hotkey)
        done, _ = await asyncio.wait(
            self._running, timeout=patience, return_when=asyncio.FIRST_COMPLETED
        )
        return done

    def _judge(self, task: "asyncio.Task[Delivered]") -> Delivered | None:
        server = self._running[task]
        try:
            return task.result()
        except (ServerFailure, TimeoutError) as failure:
            self._note_failure(server)
            self._reasons.append(f"server/{server.uid}: {getattr(failure, 'code', 'timeout')}")
            log.warning("asking the next Server", uid=server.uid, reason=str(failure))
            return None

    async def _leave_rest(self) -> None:
        """Who lost the race is let go of, whether it was still asked or had delivered too."""
        for task in self._running:
            task.cancel()
        ends = await asyncio.gather(*self._running, return_exceptions=True)
        for server, end in zip(self._running.values(), ends, strict=True):
            if not isinstance(end, BaseException):
                self._seen.end(server.hotkey)
                await end.stop()
