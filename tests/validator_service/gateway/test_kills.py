"""kill -9 of a Server, of Postgres, and of the gateway, each in the middle of a stream."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import psycopg
import pytest
from bittensor_wallet import Keypair
from tests.conftest import free_port, wait_until
from tests.validator_service.gateway import stub_process

from taonet.kit import db
from taonet.local.postgres import postgres_url, prepare_postgres
from validator_service.client import GatewayClient
from validator_service.payouts.statement_repository import list_problems

TAO = 10**9
START = [sys.executable, "-m", "uvicorn", "--factory", "validator_service.app:create_app"]


class Mortal:
    """A process that is started, killed and started again."""

    def __init__(self, start: Callable[[], "subprocess.Popen[bytes]"], probe: Callable[[], Any]):
        self._start, self._probe = start, probe
        self.process = start()

    def wait(self) -> None:
        wait_until(self._probe)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def revive(self) -> None:
        self.process = self._start()
        self.wait()


@contextlib.contextmanager
def mortal(start: Any, probe: Callable[[], Any]) -> Iterator[Mortal]:
    made = Mortal(start, probe)
    try:
        made.wait()
        yield made
    finally:
        made.kill()


@pytest.fixture
def postgres() -> Iterator[tuple[Mortal, str]]:
    """A Postgres of this test's own, and the URL of a Validator's schema in it."""
    home = Path(tempfile.mkdtemp(prefix="taonet-kills-"))
    home.chmod(0o755)
    port, password = free_port(), secrets.token_hex(8)
    url = postgres_url(port, password)
    command = prepare_postgres(home, port, password)
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def probe() -> None:
        psycopg.connect(url, connect_timeout=2).close()

    with mortal(lambda: command.start(**quiet), probe) as running:
        yield running, db.provision(url, "validator", "password")
    shutil.rmtree(home)


@pytest.fixture
def server(chain: Any, tokenizer_path: Path) -> Iterator[Mortal]:
    secret, port = "0x" + secrets.token_hex(32), free_port()
    keypair = Keypair.create_from_uri(secret)
    command = [sys.executable, stub_process.__file__, str(tokenizer_path), secret, str(port)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])}

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(command, env=environment, start_new_session=True)

    def probe() -> None:
        httpx.get(f"http://127.0.0.1:{port}/openapi.json").raise_for_status()

    with mortal(start, probe) as running:
        chain.add_neuron(keypair.ss58_address, axon={"ip": "127.0.0.1", "port": port})
        yield running


@pytest.fixture
def gateway(
    environment: dict[str, str], postgres: tuple[Mortal, str], server: Mortal
) -> Iterator[tuple[Mortal, str]]:
    port = free_port()
    own = {
        "TAONET_DATABASE_URL": postgres[1],
        "TAONET_VALIDATOR_AXON_PORT": str(port),
        "TAONET_VALIDATOR_RESERVATION_SECONDS": "1.5",
    }
    url = f"http://127.0.0.1:{port}"

    def start() -> "subprocess.Popen[bytes]":
        options = ["--port", str(port), "--log-level", "warning"]
        return subprocess.Popen(
            [*START, *options], env={**os.environ, **environment, **own}, start_new_session=True
        )

    def probe() -> None:
        httpx.get(f"{url}/readyz").raise_for_status()

    with mortal(start, probe) as running:
        yield running, url


def test_no_kill_charges_for_nothing_or_keeps_money(
    chain: Any, postgres: tuple[Mortal, str], server: Mortal, gateway: tuple[Mortal, str], wait: Any
) -> None:
    url = gateway[1]
    client = GatewayClient(url)
    key = client.create_key(Keypair.create_from_uri("0x" + secrets.token_hex(32)))
    chain.transfer(key.deposit_address, TAO)
    wait(lambda: client.account(key.api_key).balance_rao == TAO)

    def spend(kill: Callable[[], None]) -> tuple[int, int]:
        """Kill in the middle of a stream; return what had come of it, and what it cost."""
        before = client.account(key.api_key).balance_rao
        tokens = 0
        with openai.OpenAI(base_url=f"{url}/v1", api_key=key.api_key, max_retries=0) as consumer:
            stream = consumer.completions.create(
                model="network/best", prompt="def", max_tokens=40, stream=True
            )
            with contextlib.suppress(openai.APIError, httpx.HTTPError):
                for _ in stream:
                    tokens += 1
                    if tokens == 5:
                        kill()
        wait_until(lambda: client.account(key.api_key).reserved_rao == 0)
        return tokens, before - client.account(key.api_key).balance_rao

    tokens, cost_rao = spend(server.kill)
    assert 0 < cost_rao <= 100 * 3 + 400 * tokens
    server.revive()

    def kill_postgres() -> None:
        postgres[0].kill()
        postgres[0].revive()

    tokens, cost_rao = spend(kill_postgres)
    assert tokens >= 40, "a stream goes on without the database"
    assert 400 * 30 < cost_rao <= 100 * 3 + 400 * 41

    def kill_gateway() -> None:
        gateway[0].kill()
        gateway[0].revive()

    tokens, cost_rao = spend(kill_gateway)
    assert tokens < 40
    assert cost_rao == 0, "what a dead gateway had under way is the one call that may be lost"
    with psycopg.connect(postgres[1]) as conn:
        assert list_problems(conn) == []
        assert conn.execute("SELECT count(*) FROM call WHERE state = 'reserved'").fetchone() == (0,)
    client.close()
