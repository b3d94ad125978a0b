"""
A nursery: a process that imports what many others need, once, and then forks them.

Every Python process of the cluster is born here. It shares the imported pages with its siblings
instead of reading and holding its own, which turns four imports of torch into one. A nursery only
imports: it starts no thread, opens no connection and draws no random number, so that nothing is
shared that must not be. The supervisor sends orders, a JSON line each, and is told of births
and deaths in the same way.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from typing import Any

from taonet.local.kinship import die_with_parent, name_process

CONTROL_VARIABLE = "TAONET_NURSERY_CONTROL"
"""The environment variable that holds the number of the open socket to the supervisor."""
READ_BYTES = 65536


@dataclass(frozen=True)
class Order:
    """A child to be born: `python -m module arguments`, with its own environment and log."""

    name: str
    module: str
    arguments: list[str]
    environment: dict[str, str]
    log: str

    def as_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def main(modules: list[str]) -> None:
    """Import, then serve orders until the supervisor is gone; a child becomes what was ordered."""
    control = socket.socket(fileno=int(os.environ.pop(CONTROL_VARIABLE)))
    # Importing makes no garbage worth a fifth of its time; and what lives now lives for ever,
    # so that the collector must never touch (and so copy) its pages.
    gc.disable()
    for module in modules:
        importlib.import_module(module)
    gc.freeze()
    order = _serve(control)
    if order is not None:
        _become(order)


def _serve(control: socket.socket) -> Order | None:
    """Return None in the nursery, when the supervisor has hung up; in a child, its order."""
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_writer, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wake_writer)
    nursery = os.getpid()
    pending = b""
    _tell(control, event="ready")
    while True:
        readable, _, _ = select.select([control.fileno(), wake_reader], [], [])
        if wake_reader in readable:
            os.read(wake_reader, READ_BYTES)
            _tell_deaths(control)
        if control.fileno() not in readable:
            continue
        received = control.recv(READ_BYTES)
        if not received:
            return None
        *lines, pending = (pending + received).split(b"\n")
        for line in lines:
            order = Order(**json.loads(line))
            child = os.fork()
            if child == 0:
                signal.set_wakeup_fd(-1)
                for descriptor in (wake_reader, wake_writer):
                    os.close(descriptor)
                control.close()
                die_with_parent(nursery, signal.SIGTERM)
                return order
            _tell(control, event="born", name=order.name, pid=child)


def _tell_deaths(control: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _tell(control, event="died", pid=pid, code=os.waitstatus_to_exitcode(status))


def _tell(control: socket.socket, **message: Any) -> None:
    control.sendall(json.dumps(message).encode() + b"\n")


def _become(order: Order) -> None:
    gc.enable()
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    os.environ.clear()
    os.environ.update(order.environment)
    name_process(f"taonet: {order.name}")
    sys.argv = [order.module, *order.arguments]
    runpy.run_module(order.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
