"""Starting a process of the cluster: as a program of its own, or as a child of a nursery."""

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from taonet.local.kinship import die_with_parent
from taonet.local.nursery import CONTROL_VARIABLE, Order
from taonet.local.processes import ProcessSpec

LOST = -9
"""The exit code of a child whose nursery died before it could tell: it was killed too."""


@dataclass
class Running:
    """A process that was started; `ended` holds its exit code once it has one."""

    pid: int
    ended: asyncio.Future[int]
    nursery: "NurseryLine | None" = None
    """The line to it, where the process is itself a nursery."""


@dataclass
class NurseryLine:
    """The supervisor's end of a nursery's socket."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    births: dict[str, asyncio.Future[int]] = field(default_factory=dict)
    children: dict[int, asyncio.Future[int]] = field(default_factory=dict)

    async def follow(self) -> None:
        """Note births and deaths until the nursery is gone; its children are lost with it."""
        try:
            async for line in self.reader:
                self._note(json.loads(line))
        except ConnectionError:
            pass
        finally:
            self.ready.clear()
            self.writer.close()
            for birth in self.births.values():
                birth.cancel()
            for ended in self.children.values():
                _settle(ended, LOST)

    async def fork(self, order: Order) -> Running:
        """Have a child born; raises ConnectionError if the nursery is gone."""
        loop = asyncio.get_running_loop()
        birth: asyncio.Future[int] = loop.create_future()
        self.births[order.name] = birth
        self.writer.write(order.as_line())
        await self.writer.drain()
        try:
            pid = await birth
        except asyncio.CancelledError:
            if birth.cancelled():
                raise ConnectionError("the nursery died before the child was born") from None
            raise
        return Running(pid, self.children[pid])

    def _note(self, message: dict[str, object]) -> None:
        match message:
            case {"event": "ready"}:
                self.ready.set()
            case {"event": "born", "name": str(name), "pid": int(pid)}:
                self.children[pid] = asyncio.get_running_loop().create_future()
                _settle(self.births.pop(name), pid)
            case {"event": "died", "pid": int(pid), "code": int(code)}:
                _settle(self.children.pop(pid), code)
            case _:
                raise AssertionError(f"a nursery said {message}")


class Launcher:
    """Starts programs, reaps them, and keeps the lines to the nurseries."""

    def __init__(self, log_file: Callable[[str], Path]) -> None:
        self.log_file = log_file
        self.programs: dict[int, tuple[subprocess.Popen[bytes], asyncio.Future[int]]] = {}
        self.nurseries: dict[str, NurseryLine] = {}
        self.followers: set[asyncio.Task[None]] = set()

    def watch(self) -> None:
        """Begin to reap; in the main thread, where signals arrive."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._reap)

    async def launch(self, spec: ProcessSpec) -> Running:
        """Start a process; raises ConnectionError while its nursery is gone."""
        environment = {**os.environ, **spec.environment}
        if spec.nurses:
            return await self._launch_nursery(spec, environment)
        if spec.nursery is None:
            return self._launch_program(spec, environment)
        if not self.can_fork(spec.nursery):
            raise ConnectionError(f"{spec.nursery} is not ready")
        module, *arguments = spec.command
        log = str(self.log_file(spec.name))
        order = Order(spec.name, module, arguments, environment, log)
        return await self.nurseries[spec.nursery].fork(order)

    def can_fork(self, nursery: str) -> bool:
        """Whether a nursery lives and has imported all it shall share."""
        return nursery in self.nurseries and self.nurseries[nursery].ready.is_set()

    async def _launch_nursery(self, spec: ProcessSpec, environment: dict[str, str]) -> Running:
        ours, theirs = socket.socketpair()
        with theirs:
            environment[CONTROL_VARIABLE] = str(theirs.fileno())
            running = self._launch_program(spec, environment, (theirs.fileno(),))
        line = NurseryLine(*await asyncio.open_connection(sock=ours))
        self.nurseries[spec.name] = running.nursery = line
        follower = asyncio.create_task(line.follow())
        self.followers.add(follower)
        follower.add_done_callback(self.followers.discard)
        return running

    def _launch_program(
        self, spec: ProcessSpec, environment: dict[str, str], descriptors: tuple[int, ...] = ()
    ) -> Running:
        parent = os.getpid()
        with self.log_file(spec.name).open("ab") as log:
            program = subprocess.Popen(
                spec.command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=descriptors,
                user=spec.user,
                group=spec.user,
                extra_groups=None if spec.user is None else (),
                # The supervisor has one thread, so nothing can be held locked in the child.
                preexec_fn=lambda: die_with_parent(parent, spec.stop_signal),
            )
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.programs[program.pid] = (program, ended)
        return Running(program.pid, ended)

    def _reap(self) -> None:
        for pid, (program, ended) in list(self.programs.items()):
            code = program.poll()
            if code is not None:
                del self.programs[pid]
                _settle(ended, code)


def _settle(future: asyncio.Future[int], result: int) -> None:
    if not future.done():
        future.set_result(result)
