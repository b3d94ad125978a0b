"""Machines: namespaces with an address of their own, which are gone when nobody runs in them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

NETWORK = "10.77.0"
HUB = f"{NETWORK}.1"
"""Where the box is, as the other machines see it."""
NAMESPACE = "/proc/{}/ns/net"
WAIT_SECONDS = 10.0
STOP_SECONDS = 40.0


class Machine:
    """A namespace, and what runs in it."""

    def __init__(self, number: int, holder: int) -> None:
        self.address = f"{NETWORK}.{number}"
        self.holder = holder

    @contextmanager
    def running(
        self, *command: str, log: Path, environment: Mapping[str, str]
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a Python module here; at the end ask it to stop, and hold it to that."""
        inside = ("nsenter", f"--net={NAMESPACE.format(self.holder)}", sys.executable, "-m")
        with log.open("ab") as file:
            process = subprocess.Popen(
                [*inside, *command],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def become_hub() -> None:
    """Make this process's own namespace the one that all wires end in."""
    if os.stat(NAMESPACE.format("self")).st_ino == os.stat(NAMESPACE.format(os.getppid())).st_ino:
        sys.exit("run it in a network namespace of its own: make namespaces")
    ip("link", "set", "lo", "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


@contextmanager
def new_machine(number: int, near: str, far: str) -> Iterator[Machine]:
    """Give a namespace whose only way out is the device `far`; the hub's end of it is `near`."""
    # It reads until this process ends, however it ends; with it goes the namespace.
    with subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE) as holder:
        wait_for_namespace(holder.pid)
        machine = Machine(number, holder.pid)
        ip("link", "set", far, "netns", str(holder.pid))
        join(near, HUB, machine.address)
        inside = ("nsenter", f"--net={NAMESPACE.format(holder.pid)}")
        subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
        join(far, machine.address, HUB, *inside)
        everybody = ("route", "add", f"{NETWORK}.0/24", "via", HUB, "dev", far, "onlink")
        subprocess.run([*inside, "ip", *everybody], check=True)
        yield machine


def join(device: str, own: str, peer: str, *inside: str) -> None:
    ip("address", "add", own, "peer", peer, "dev", device, inside=inside)
    ip("link", "set", device, "up", inside=inside)


def wait_for_namespace(pid: int) -> None:
    """Return once a child has left our namespace for its own."""
    ours = os.stat(NAMESPACE.format("self")).st_ino
    deadline = time.monotonic() + WAIT_SECONDS
    while os.stat(NAMESPACE.format(pid)).st_ino == ours:
        assert time.monotonic() < deadline, "no namespace"
        time.sleep(0.01)


def ip(*arguments: str, inside: tuple[str, ...] = ()) -> None:
    subprocess.run([*inside, "ip", *arguments], check=True)
