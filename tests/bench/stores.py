"""A real Postgres for benchmarks, with its defaults, on a port and in a folder of its own."""

import contextlib
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from taonet.kit import db
from taonet.local.postgres import postgres_url, prepare_postgres


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """Give a superuser's URL of a Postgres that lives for the time of a block."""
    home = Path(tempfile.mkdtemp(prefix="taonet-bench-"))
    home.chmod(0o755)
    port, password = free_port(), secrets.token_hex(8)
    url = postgres_url(port, password)
    process = prepare_postgres(home, port, password).start(
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(url, connect_timeout=2).close()
                break
            time.sleep(0.1)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        shutil.rmtree(home)


def make_schema(admin_url: str, package: str) -> str:
    """Return the URL of a fresh schema, migrated, with a role of its own."""
    url = db.provision(admin_url, f"bench_{secrets.token_hex(4)}", password="bench")
    db.migrate(url, package)
    return url
