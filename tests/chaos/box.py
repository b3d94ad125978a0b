"""A live embedded box, its links, and what a fault does to it."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from tests.chaos import supervise
from tests.chaos.life import Signs
from tests.chaos.links import Link, find_link, find_targets
from tests.chaos.proxy import Proxy
from tests.chaos.schedule import Fault, Kind

from taonet.local.home import Home, ProcessState
from taonet.local.kinship import signal_group
from taonet.local.processes import ProcessSpec
from taonet.local.settings import LocalSettings
from taonet.local.status import is_healthy

UP_SECONDS = 240.0
DOWN_SECONDS = 60.0
POLL_SECONDS = 0.2
BACK_SECONDS = 180.0
"""After so long without a sign of life, a process is taken to be lost."""


class NeverCameBack(Exception):
    """A process that did not recover: what it says is in its log."""


@dataclass(frozen=True)
class Suffered:
    """A fault that is over, and what it took to recover from it."""

    fault: Fault
    began: float
    """Seconds since the first fault."""
    back_seconds: float
    """From the fault's end (of a kill: the kill) to the next sign of life."""


class Box:
    """The cluster's processes by name, and the links between them."""

    def __init__(self, settings: LocalSettings, supervisor: ModuleType = supervise) -> None:
        """`supervisor` is a module that describes a box, and that supervises it when it is run."""
        self.settings = settings
        self.supervisor = supervisor.__name__
        self.home: Home = settings.data_directory()
        self.home.create()
        self.specs: Sequence[ProcessSpec]
        self.links: list[Link]
        self.specs, self.links = supervisor.describe(settings, self.home)
        self.proxies = {link: Proxy(link) for link in self.links}
        self.signs = Signs(settings, self.home)
        self._supervisor: subprocess.Popen[bytes] | None = None

    @property
    def processes(self) -> list[str]:
        return [spec.name for spec in self.specs if not spec.once]

    @property
    def targets(self) -> dict[str, list[str]]:
        """Whom each lasting process talks to."""
        found = find_targets(self.links)
        return {name: found[name] for name in self.processes if name in found}

    async def start(self) -> None:
        for proxy in self.proxies.values():
            await proxy.start()
        with self.home.log_file("supervisor").open("ab") as log:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-m", self.supervisor],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        await self.wait_until(self._is_ready, UP_SECONDS, "the start of the box")

    async def stop(self) -> None:
        if self._supervisor is not None:
            self._supervisor.send_signal(signal.SIGTERM)
            await asyncio.to_thread(self._supervisor.wait, DOWN_SECONDS)
        for proxy in self.proxies.values():
            await proxy.close()
        self.signs.close()

    def _is_ready(self) -> bool:
        assert self._supervisor is not None
        if self._supervisor.poll() is not None:
            raise NeverCameBack(f"the supervisor ended:\n{self.home.tail('supervisor')}")
        state = self.home.load_state()
        return state is not None and state.phase == "ready"

    def state(self, name: str) -> ProcessState:
        state = self.home.load_state()
        assert state is not None
        return next(process for process in state.processes if process.name == name)

    async def is_well(self, name: str) -> bool:
        return await is_healthy(self.state(name))

    async def wait_until_well(self, name: str) -> None:
        deadline = time.monotonic() + BACK_SECONDS
        while not await self.is_well(name):
            if time.monotonic() > deadline:
                raise NeverCameBack(f"{name} is not well:\n{self.home.tail(name)}")
            await asyncio.sleep(POLL_SECONDS)

    async def suffer(self, fault: Fault, began: float) -> Suffered:
        """Let a fault happen to a process that is well, and wait for its next sign of life."""
        await self.wait_until_well(fault.process)
        moment = time.monotonic()
        ended = await self._inflict(fault)
        before = await asyncio.to_thread(self.signs.take, fault.process)
        await self.wait_until_well(fault.process)
        await self._wait_for_sign(fault, before)
        return Suffered(fault, moment - began, time.monotonic() - ended)

    async def _inflict(self, fault: Fault) -> float:
        """Return the moment from which on recovery is possible."""
        state = self.state(fault.process)
        if fault.kind is Kind.KILL:
            assert state.pid is not None
            with contextlib.suppress(ProcessLookupError):
                os.kill(state.pid, signal.SIGKILL)
            killed = time.monotonic()
            # Else it would count as well until the supervisor has noticed.
            await self.wait_until(
                lambda: self.state(fault.process).pid != state.pid, BACK_SECONDS, str(fault)
            )
            return killed
        if fault.kind is Kind.FREEZE:
            assert state.pid is not None
            signal_group(state.pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(fault.seconds)
            finally:
                signal_group(state.pid, signal.SIGCONT)
            return time.monotonic()
        link = find_link(self.links, fault.process, fault.target)
        await self.proxies[link].fail(fault.kind, fault.seconds, fault.delay_seconds)
        return time.monotonic()

    async def _wait_for_sign(self, fault: Fault, before: int) -> None:
        deadline = time.monotonic() + BACK_SECONDS
        while not await asyncio.to_thread(self.signs.has_moved, fault.process, before):
            if time.monotonic() > deadline:
                raise NeverCameBack(f"no sign of life of {fault.process} after {fault}")
            await asyncio.sleep(POLL_SECONDS)

    async def wait_until(
        self, probe: Callable[[], bool], seconds: float, what: str, poll: float = POLL_SECONDS
    ) -> None:
        deadline = time.monotonic() + seconds
        while not probe():
            if time.monotonic() > deadline:
                raise NeverCameBack(f"{seconds:.0f} s and still not: {what}")
            await asyncio.sleep(poll)


@contextlib.asynccontextmanager
async def running_box(
    settings: LocalSettings, supervisor: ModuleType = supervise
) -> AsyncIterator[Box]:
    """Run a box in the home that the settings name."""
    box = Box(settings, supervisor)
    try:
        await box.start()
        yield box
    finally:
        await box.stop()


@contextlib.contextmanager
def new_home(prefix: str) -> Iterator[Path]:
    """Give a folder that every user may pass through; it stays only where something failed."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    try:
        yield folder / "home"
    except BaseException:
        sys.stderr.write(f"what is left of the box: {folder}\n")
        raise
    shutil.rmtree(folder)
