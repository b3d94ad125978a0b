"""A real Postgres for benchmarks, with its defaults, on a port and in a folder of its own."""

import contextlib
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from tests.conftest import free_port

from taonet.kit import db
from taonet.local.postgres import postgres_url, prepare_postgres


class Store:
    """One Postgres, which can be stopped at once and started again on what it had written."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._port, self._password = free_port(), secrets.token_hex(8)
        self.url = postgres_url(self._port, self._password)
        """A superuser's."""
        self.start()

    def start(self) -> None:
        command = prepare_postgres(self.home, self._port, self._password)
        self._process = command.start(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url, connect_timeout=2).close()
                return
            time.sleep(0.1)
        raise TimeoutError("Postgres does not start")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        self._process.send_signal(how)
        self._process.wait(30)

    def stop_at_once(self) -> None:
        """An immediate stop: no checkpoint, all sessions cut, as in a crash."""
        self.stop(signal.SIGQUIT)


@contextlib.contextmanager
def open_store() -> Iterator[Store]:
    home = Path(tempfile.mkdtemp(prefix="taonet-bench-"))
    home.chmod(0o755)
    store = Store(home)
    try:
        yield store
    finally:
        store.stop()
        shutil.rmtree(home)


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """Give a superuser's URL of a Postgres that lives for the time of a block."""
    with open_store() as store:
        yield store.url


def make_schema(admin_url: str, package: str) -> str:
    """Return the URL of a fresh schema, migrated, with a role of its own."""
    url = db.provision(admin_url, f"bench_{secrets.token_hex(4)}", password="bench")
    db.migrate(url, package)
    return url
