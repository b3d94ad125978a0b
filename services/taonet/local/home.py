"""The data directory: who holds it, what runs in it, where its files are."""

import contextlib
import fcntl
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from taonet.kit.errors import Refusal, Unavailable
from taonet.local.kinship import birth_mark

STATE_FILE = "state.json"
LOCK_FILE = "lock"
LOG_BYTES_MAX = 16_000_000
"""A log this long is moved aside, where it replaces the one moved before."""
TAIL_LINES = 15


class HomeIsHeld(Refusal):
    """Another supervisor runs in this data directory."""


@dataclass
class ProcessState:
    """One process, as the supervisor sees it."""

    name: str
    state: str = "waiting"
    """waiting, starting, running, restarting, stopping, stopped, or done (a step)."""
    pid: int | None = None
    birth_mark: str | None = None
    """With the pid, tells it from a later process with the same number."""
    port: int | None = None
    restarts: int = 0
    once: bool = False


@dataclass
class ClusterState:
    """What `state.json` holds: enough to find the cluster, and to end what a crash left behind."""

    pid: int
    """The supervisor's."""
    birth_mark: str
    started: float
    """Seconds since 1970."""
    preset: str
    port_base: int
    phase: str = "starting"
    """starting, ready, stopping, stopped or failed."""
    ports: dict[str, int] = field(default_factory=dict)
    processes: list[ProcessState] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        """Whether the supervisor that wrote this still runs."""
        return birth_mark(self.pid) == self.birth_mark


@dataclass(frozen=True)
class Home:
    """A data directory and the files in it."""

    path: Path

    @property
    def wallets(self) -> Path:
        return self.path / "wallets"

    @property
    def corpus(self) -> Path:
        return self.path / "corpus"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets"

    def log_file(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    def create(self) -> None:
        """Make the folders; only the owner may look into those with keys, secrets and prompts."""
        self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
        for folder in (self.wallets, self.secrets, self.path / "logs"):
            folder.mkdir(mode=0o700, exist_ok=True)

    def hold(self) -> int:
        """Take the lock and return its descriptor; refuse, with the holder's pid, if it is held."""
        lock = os.open(self.path / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 20).decode().strip() or "unknown"
            os.close(lock)
            raise HomeIsHeld(
                f"{self.path} is in use by the supervisor with pid {holder}: "
                "`taonet status` shows it, `taonet down` stops it, TAONET_HOME names another place"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return lock

    def load_state(self) -> ClusterState | None:
        """Return the last written state, also of a supervisor that has ended."""
        try:
            fields: dict[str, Any] = json.loads((self.path / STATE_FILE).read_text())
        except FileNotFoundError:
            return None
        fields["processes"] = [ProcessState(**process) for process in fields["processes"]]
        return ClusterState(**fields)

    def load_running_state(self) -> ClusterState:
        """Return the state of the cluster that runs here, or refuse."""
        state = self.load_state()
        if state is None or not state.alive:
            raise Unavailable(f"no cluster is running in {self.path}; `taonet up` starts one")
        return state

    def save_state(self, state: ClusterState) -> None:
        """Write the state so that a reader sees either the old or the new, never half."""
        fresh = self.path / f"{STATE_FILE}.new"
        fresh.write_text(json.dumps(asdict(state), indent=1))
        fresh.replace(self.path / STATE_FILE)

    def turn_log(self, name: str, bytes_max: int = LOG_BYTES_MAX) -> None:
        """Move a long log aside. Its writer appends to the same file, so that is copied and cut."""
        log = self.log_file(name)
        with contextlib.suppress(FileNotFoundError):
            if log.stat().st_size > bytes_max:
                shutil.copyfile(log, log.with_suffix(".log.1"))
                os.truncate(log, 0)

    def tail(self, name: str, lines: int = TAIL_LINES) -> str:
        """Return a log's last lines."""
        log = self.log_file(name)
        if not log.exists():
            return ""
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
