"""What the kernel knows of processes: who is who, who dies with whom, what `ps` shows."""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
POLL_SECONDS = 0.05

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(parent: int, number: signal.Signals) -> None:
    """
    Have the kernel send this process a signal when its parent dies, however that happens.

    Called in the child between fork and exec. Elsewhere than on Linux it does nothing, and the
    next start ends what is left.
    """
    if _libc is None:
        return
    _libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:  # It died before we asked.
        os._exit(1)


def name_process(title: str) -> None:
    """Show a title in `ps` and `top`, in the place of the command line this process began with."""
    if _libc is None:
        return
    _libc.prctl(PR_SET_NAME, title.encode()[:15], 0, 0, 0)
    # Fields 48 and 49 of proc(5)'s stat: where the kernel reads the command line from.
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    room = end - start
    if room > 1:
        ctypes.memmove(start, title.encode()[: room - 1].ljust(room, b"\0"), room)


def birth_mark(pid: int) -> str | None:
    """Return what tells a process from a later one with the same number; None if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return _birth_mark_elsewhere(pid)
    return None if fields[0] in "ZX" else fields[19]


def _birth_mark_elsewhere(pid: int) -> str | None:
    if sys.platform == "linux":
        return None
    try:
        return str(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signal a process and all of its session; those that are gone already don't mind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def end_strays(strays: Iterable[tuple[int, str]], deadline_seconds: float) -> list[int]:
    """
    End processes, given as pid and birth mark, and return those that were still there.

    Asked politely first; killed when the deadline has passed.
    """
    alive = [(pid, mark) for pid, mark in strays if birth_mark(pid) == mark]
    found = [pid for pid, _ in alive]
    for pid, _ in alive:
        signal_group(pid, signal.SIGTERM)
    deadline = time.monotonic() + deadline_seconds
    while alive and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        alive = [(pid, mark) for pid, mark in alive if birth_mark(pid) == mark]
    for pid, _ in alive:
        signal_group(pid, signal.SIGKILL)
    while any(birth_mark(pid) == mark for pid, mark in alive):
        time.sleep(POLL_SECONDS)
    return found
