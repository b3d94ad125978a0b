"""A real chain for tests: author and web process on a schema of their own, with a fast clock."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from tests.conftest import free_port, wait_until

from chain_service.client import ChainClient
from taonet.kit.keys import Keypair, ensure_wallet

FAST: dict[str, Any] = {
    "block_milliseconds": 100,
    "blocks_per_step": 3,
    "starting_difficulty": 50,
    "minimum_difficulty": 50,
    "weights_rate_limit_blocks": 0,
    "max_weight_limit_u32": 2**32 - 1,
}


class RunningChain:
    """The processes of a chain, which can be killed and started again."""

    def __init__(self, database_url: str, redis_url: str, logs: Path) -> None:
        self.database_url, self.redis_url, self.logs = database_url, redis_url, logs
        self.wallets = logs / "wallets"
        ensure_wallet(self.wallets, "default", ["default"])
        self.port = free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.client = ChainClient(self.url)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start_web(self, name: str = "web", **settings: str) -> None:
        listen = ["--host", "127.0.0.1", "--port", str(self.port), "--log-level", "warning"]
        module = ["uvicorn", "--factory", "chain_service.app:create_app", *listen]
        self._start(name, module, settings)

    def start_author(self, name: str = "author", **settings: str) -> None:
        self._start(name, ["chain_service.worker"], settings)

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def log(self, name: str) -> str:
        return (self.logs / name).read_text()

    def height(self) -> int:
        return self.client.head().height

    def wait_ready(self) -> None:
        wait_until(lambda: self.client.head().height >= 1)

    def query(self, statement: LiteralString) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url) as conn:
            return conn.execute(statement).fetchall()

    def close(self, show_logs: bool = True) -> None:
        self.client.close()
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()
        if not show_logs:
            return
        # pytest shows this where a test failed.
        for log in sorted(path for path in self.logs.iterdir() if path.is_file()):
            sys.stdout.write(f"{log.name}\n{log.read_text()[-3000:]}\n")

    def _start(self, name: str, module: list[str], settings: dict[str, str] | None = None) -> None:
        environment = os.environ | {
            "TAONET_DATABASE_URL": self.database_url,
            "TAONET_REDIS_URL": self.redis_url,
            "TAONET_PRESET": "box",
            "TAONET_WALLET_PATH": str(self.wallets),
            "TAONET_CHAIN_PARAMETERS": json.dumps(FAST),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            **(settings or {}),
        }
        with (self.logs / name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *module], env=environment, stdout=log, stderr=log
            )


@contextlib.contextmanager
def idle_chain(database_url: str, redis_url: str) -> Iterator[RunningChain]:
    with tempfile.TemporaryDirectory() as logs:
        chain = RunningChain(database_url, redis_url, Path(logs))
        try:
            yield chain
        finally:
            chain.close()


@pytest.fixture
def quiet_chain(database: Callable[[str], str], redis_url: str) -> Iterator[RunningChain]:
    """A chain with nothing started."""
    with idle_chain(database("chain_service"), redis_url) as chain:
        yield chain


@pytest.fixture
def chain(quiet_chain: RunningChain) -> RunningChain:
    """A chain that makes blocks and answers."""
    quiet_chain.start_author()
    quiet_chain.start_web()
    quiet_chain.wait_ready()
    return quiet_chain


@pytest.fixture
def follower(
    chain: RunningChain, database: Callable[[str], str], redis_url: str
) -> Iterator[RunningChain]:
    """A second chain with nothing started, which may follow the first."""
    with idle_chain(database("chain_service"), redis_url) as second:
        yield second


def key(name: str) -> Keypair:
    return Keypair.create_from_uri(f"//{name}")


def enrich(client: ChainClient, coldkey: Keypair, *hotkeys: Keypair) -> list[int]:
    """Register hotkeys that rank the first one, and let the first payouts come; return the uids."""
    uids = [client.register_by_work(hotkey, coldkey.ss58_address) for hotkey in hotkeys]
    for hotkey in hotkeys[1:]:
        weights = {"uids": [uids[0]], "values": [1], "version_key": 0}
        client.execute(hotkey, "set_weights", weights)
    wait_until(lambda: client.account(coldkey.ss58_address).stake_rao > 0)
    return uids


def take_out(client: ChainClient, coldkey: Keypair, hotkey: Keypair, amount_rao: int) -> None:
    arguments = {"hotkey": hotkey.ss58_address, "amount_rao": amount_rao}
    client.execute(coldkey, "remove_stake", arguments)
