"""Real stores for all tests: one Postgres and one Valkey a worker, a fresh schema for each test."""

import contextlib
import gc
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import certifi
import psycopg
import pytest
import redis
from psycopg import sql

from taonet.kit import compiled, db
from taonet.local.command import Command
from taonet.local.postgres import postgres_url, prepare_postgres
from taonet.local.valkey import prepare_valkey, valkey_url

START_SECONDS = 30

# Tests run the sources, also where they are compiled (which compiling.py tests); benchmarks, which
# use what is below too, run what is compiled. Set here, as other conftests import the services
# before any hook of this one is called.
if "PYTEST_VERSION" in os.environ:
    os.environ.setdefault(compiled.SOURCES, "1")


@pytest.fixture(scope="session", autouse=True)
def few_authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trust one authority: nobody here speaks TLS, and each HTTP client reads all that it trusts.

    That is 30 ms of work for the usual list, here and in every process that a test starts.
    """
    path = tmp_path_factory.mktemp("authorities") / "one.pem"
    end = "-----END CERTIFICATE-----\n"
    path.write_text(certifi.contents().partition(end)[0] + end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(path))
        yield


@pytest.fixture(scope="module", autouse=True)
def left_open() -> Iterator[None]:
    """Have what a file's tests left open told there, not where memory happens to be swept next."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def store_home() -> Iterator[Path]:
    """A folder that every user may pass through, as pytest's own may not be when run as root."""
    home = Path(tempfile.mkdtemp(prefix="taonet-test-"))
    home.chmod(0o755)
    yield home
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def postgres_admin_url(store_home: Path) -> Iterator[str]:
    """A superuser's URL of a real Postgres (TAONET_TEST_DATABASE_URL names one that runs)."""
    if given := os.environ.get("TAONET_TEST_DATABASE_URL"):
        yield given
        return
    port, password = free_port(), secrets.token_hex(8)
    url = postgres_url(port, password)
    with running(prepare_postgres(store_home, port, password), signal.SIGINT):
        wait_until(lambda: psycopg.connect(url, connect_timeout=2).close())
        yield url


@pytest.fixture(scope="session")
def redis_server_url(store_home: Path) -> Iterator[str]:
    """A real Valkey (TAONET_TEST_REDIS_URL names one that runs and may be emptied)."""
    if given := os.environ.get("TAONET_TEST_REDIS_URL"):
        yield given
        return
    port, password = free_port(), secrets.token_hex(8)
    url = valkey_url(port, password)
    with running(prepare_valkey(store_home, port, password), signal.SIGTERM):
        with redis.Redis.from_url(url) as client:
            wait_until(client.ping)
        yield url


@pytest.fixture
def redis_url(redis_server_url: str) -> str:
    """An empty Valkey."""
    with redis.Redis.from_url(redis_server_url) as client:
        client.flushall()
    return redis_server_url


@pytest.fixture
def database(postgres_admin_url: str) -> Iterator[Callable[[str], str]]:
    """Make schemas: `database("chain_service")` is the URL of a fresh, migrated one of its own."""
    made = []

    def make(package: str) -> str:
        name = f"test_{package}_{secrets.token_hex(4)}"
        made.append(name)
        url = db.provision(postgres_admin_url, name, password="test")
        db.migrate(url, package)
        return url

    yield make
    with psycopg.connect(postgres_admin_url, autocommit=True) as conn:
        for name in made:
            role = sql.Identifier(name)
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (name,)
            )
            conn.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
            conn.execute(sql.SQL("DROP ROLE {}").format(role))


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until(probe: Callable[[], object], seconds: float = START_SECONDS) -> None:
    """Call until it neither raises nor returns False; the last failure is the error."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if probe() is not False:
                return
            failure: Exception = TimeoutError("the condition never became true")
        except Exception as error:
            failure = error
        if time.monotonic() > deadline:
            raise failure
        time.sleep(0.05)


@contextlib.contextmanager
def running(command: Command, stop: signal.Signals) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program for the time of a block, and end it by its own signal."""
    process = command.start(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(stop)
        process.wait(timeout=START_SECONDS)
