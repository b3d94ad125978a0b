"""
Keeps the processes of a cluster running.

Each process has a task of its own, which waits for what it stands on, starts it, watches it,
starts it again when it ends, and stops it when everything that stands on it has stopped.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from taonet.kit.errors import Refusal
from taonet.kit.logging import get_logger
from taonet.local.home import ClusterState, Home, ProcessState
from taonet.local.kinship import birth_mark, signal_group
from taonet.local.launching import Launcher, Running
from taonet.local.probes import is_ready
from taonet.local.processes import AliveProbe, ProcessSpec, check_cluster, dependents, waits_for

BACKOFF_SECONDS = 0.25
BACKOFF_SECONDS_MAX = 15.0
STEADY_SECONDS = 30.0
"""A process that ran this long has earned a quick restart again."""
STARTS_MAX = 5
"""At the start of the cluster a process may fail so often; then starting is given up."""
PROBE_SECONDS = 0.1
LOG_CHECK_SECONDS = 30.0
STOP_SECONDS_ALL = 30.0
"""After so long, whatever has not stopped is killed."""

log = get_logger(__name__)


class StartFailed(Refusal):
    """A process could not be started; its log says why."""


class Supervisor:
    """Runs the described processes until told to stop."""

    def __init__(
        self,
        home: Home,
        specs: Sequence[ProcessSpec],
        state: ClusterState,
        tell: Callable[[ProcessState], None] = lambda process: None,
    ) -> None:
        check_cluster(specs)
        self.home = home
        self.specs = {spec.name: spec for spec in specs}
        self.states = {
            spec.name: ProcessState(spec.name, port=spec.port, once=spec.once) for spec in specs
        }
        self.state = state
        self.state.processes = list(self.states.values())
        self.state.ports = {spec.name: spec.port for spec in specs if spec.port is not None}
        self.tell = tell
        self.launcher = Launcher(home.log_file)
        self.ready = {name: asyncio.Event() for name in self.specs}
        self.stopped = {name: asyncio.Event() for name in self.specs}
        self.stopping = asyncio.Event()
        self.running: dict[str, Running] = {}
        self.failure: StartFailed | None = None

    async def run(self, when_ready: Callable[[], None] = lambda: None) -> None:
        """Start everything, keep it running, and return when all has stopped."""
        self._listen()
        self.home.save_state(self.state)
        keepers = [asyncio.create_task(self._keep(spec)) for spec in self.specs.values()]
        others = [
            asyncio.create_task(self._announce(when_ready)),
            asyncio.create_task(self._turn_logs()),
        ]
        await self.stopping.wait()
        self._set_phase("stopping")
        overdue = asyncio.get_running_loop().call_later(STOP_SECONDS_ALL, self._kill_all)
        await asyncio.gather(*keepers)
        overdue.cancel()
        for task in others:
            task.cancel()
        self._set_phase("failed" if self.failure else "stopped")
        if self.failure:
            raise self.failure

    def _listen(self) -> None:
        self.launcher.watch()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._stop)

    def _stop(self) -> None:
        if self.stopping.is_set():  # Asked twice: in earnest.
            self._kill_all()
        self.stopping.set()

    def _kill_all(self) -> None:
        for running in self.running.values():
            signal_group(running.pid, signal.SIGKILL)

    async def _announce(self, when_ready: Callable[[], None]) -> None:
        for event in self.ready.values():
            await event.wait()
        self._set_phase("ready")
        log.info("ready", seconds=round(time.time() - self.state.started, 2))
        when_ready()

    async def _turn_logs(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK_SECONDS)
            for name in self.specs:
                self.home.turn_log(name)

    async def _keep(self, spec: ProcessSpec) -> None:
        """See one process through its whole life."""
        try:
            await self._unless_stopping(self._wait_for(spec))
            failures, pause = 0, BACKOFF_SECONDS
            while not self.stopping.is_set():
                await self._unless_stopping(self._wait_for_nursery(spec))
                began = time.monotonic()
                if await self._live_once(spec):
                    return
                steady = time.monotonic() - began > STEADY_SECONDS
                failures, pause = (1, BACKOFF_SECONDS) if steady else (failures + 1, pause)
                if self.stopping.is_set() or self._has_failed_to_start(spec, failures):
                    return
                self._set(spec.name, "restarting", restarts=self.states[spec.name].restarts + 1)
                await self._unless_stopping(asyncio.sleep(pause))
                pause = min(2 * pause, BACKOFF_SECONDS_MAX)
        finally:
            self.stopped[spec.name].set()

    async def _wait_for(self, spec: ProcessSpec) -> None:
        for name in waits_for(spec):
            await self.ready[name].wait()

    async def _wait_for_nursery(self, spec: ProcessSpec) -> None:
        while spec.nursery is not None and not self.launcher.can_fork(spec.nursery):
            await asyncio.sleep(PROBE_SECONDS)

    async def _live_once(self, spec: ProcessSpec) -> bool:
        """Start a process and wait for its end; return whether that was a step's good end."""
        self._set(spec.name, "starting")
        try:
            running = await self.launcher.launch(spec)
        except ConnectionError as error:
            log.info("not born", process=spec.name, reason=str(error))
            return False
        self.running[spec.name] = running
        mark = birth_mark(running.pid)
        self._set(spec.name, "starting", pid=running.pid, birth_mark=mark)
        watcher = asyncio.create_task(self._stop_in_turn(spec, running))
        prober = asyncio.create_task(self._become_ready(spec, running))
        code = await running.ended
        prober.cancel()
        watcher.cancel()
        # What it started itself, such as a pool's workers, must not outlive it.
        signal_group(running.pid, signal.SIGKILL)
        # A child that lost its nursery may take a moment to go, and holds its port until then.
        while mark is not None and birth_mark(running.pid) == mark:
            await asyncio.sleep(PROBE_SECONDS)
        del self.running[spec.name]
        return self._note_end(spec, code)

    def _note_end(self, spec: ProcessSpec, code: int) -> bool:
        good = spec.once and code == 0
        wanted = good or self.stopping.is_set()
        log.log(20 if wanted else 30, "ended", process=spec.name, code=code)
        self._set(spec.name, "done" if good else "stopped", pid=None, birth_mark=None)
        if good:
            self.ready[spec.name].set()
        return good

    async def _become_ready(self, spec: ProcessSpec, running: Running) -> None:
        if spec.once:
            return
        began = time.monotonic()
        if running.nursery is not None:
            await running.nursery.ready.wait()
        elif isinstance(spec.probe, AliveProbe):
            await asyncio.sleep(spec.probe.seconds)
        else:
            while not await is_ready(spec.probe):
                if time.monotonic() - began > spec.ready_seconds:
                    log.warning("not ready in time, started again", process=spec.name)
                    signal_group(running.pid, signal.SIGKILL)
                    return
                await asyncio.sleep(PROBE_SECONDS)
        self._set(spec.name, "running")
        self.ready[spec.name].set()

    async def _stop_in_turn(self, spec: ProcessSpec, running: Running) -> None:
        """Once stopping, wait for those that stand on this process, then ask it, then insist."""
        await self.stopping.wait()
        for name in dependents(self.specs.values(), spec.name):
            await self.stopped[name].wait()
        self._set(spec.name, "stopping")
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, spec.stop_signal)
        await asyncio.sleep(spec.stop_seconds)
        log.warning("did not stop in time, killed", process=spec.name)
        signal_group(running.pid, signal.SIGKILL)

    def _has_failed_to_start(self, spec: ProcessSpec, failures: int) -> bool:
        if self.state.phase != "starting" or self.ready[spec.name].is_set():
            return False
        if failures < (1 if spec.once else STARTS_MAX):
            return False
        self.failure = StartFailed(
            f"{spec.name} could not be started; the end of {self.home.log_file(spec.name)}:\n"
            f"{self.home.tail(spec.name)}"
        )
        self.stopping.set()
        return True

    async def _unless_stopping(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        stop.cancel()

    def _set(self, name: str, state: str, **changes: object) -> None:
        process = self.states[name]
        process.state = state
        for field, value in changes.items():
            setattr(process, field, value)
        self.home.save_state(self.state)
        self.tell(process)

    def _set_phase(self, phase: str) -> None:
        self.state.phase = phase
        self.home.save_state(self.state)
