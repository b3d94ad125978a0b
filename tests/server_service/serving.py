"""Real Servers for tests: uvicorn in a thread, over a real port, with a wallet of their own."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from tests.conftest import free_port

from server_service.app import create_app
from server_service.client import ServerAddress, ServerClient
from server_service.patience import PatientProtocol
from server_service.state import ServerState
from taonet.kit.keys import Keypair, ensure_wallet, load_hotkey

Result = TypeVar("Result")
START_SECONDS = 30


@contextlib.contextmanager
def serving(app: FastAPI, port: int) -> Iterator[None]:
    """The application over HTTP, for the time of a block."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, http=PatientProtocol, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=run_quietly, args=(server,))
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        assert server.started
        yield
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)


def run_quietly(server: uvicorn.Server) -> None:
    """uvicorn ends the process when an application cannot start; here it ends the thread."""
    with contextlib.suppress(SystemExit):
        server.run()


@dataclass(frozen=True)
class RunningServer:
    app: FastAPI
    address: ServerAddress
    caller: Keypair
    """A registered neuron, in whose name the tests ask."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.address.port}"

    @property
    def state(self) -> ServerState:
        state: ServerState = self.app.state.server
        return state

    def ask(self, question: Callable[[ServerClient], Awaitable[Result]]) -> Result:
        """What the client says, asked by the caller."""

        async def run() -> Result:
            async with httpx.AsyncClient() as http:
                return await question(ServerClient(self.caller, http))

        return asyncio.run(run())

    def metric(self, name: str) -> float:
        """The sum of a metric's samples that begin with this name and labels."""
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


@dataclass(frozen=True)
class Surroundings:
    """What each Server of these tests stands on."""

    model: Path
    redis_url: str
    chain_url: str
    wallets: Path
    caller: Keypair

    def environment(self, name: str, port: int, **changes: Any) -> dict[str, str]:
        values = {
            "REDIS_URL": self.redis_url,
            "CHAIN_URL": self.chain_url,
            "WALLET_PATH": self.wallets,
            "WALLET_NAME": name,
            "HOTKEY_NAME": "default",
            "SERVER_MODEL": self.model,
            "SERVER_NETWORK_TOKENIZER": self.model / "tokenizer.json",
            "SERVER_NAME": name,
            "SERVER_AXON_PORT": port,
            "SERVER_CACHE_PATH": self.wallets / "cache",
            **changes,
        }
        return {f"TAONET_{key}": str(value) for key, value in values.items()}

    @contextlib.contextmanager
    def run(self, name: str, **changes: Any) -> Iterator[RunningServer]:
        """A Server that knows the metagraph; `changes` are settings."""
        ensure_wallet(self.wallets, name, ["default"])
        port = free_port()
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in self.environment(name, port, **changes).items():
                patch.setenv(variable, value)
            app = create_app()
        hotkey = load_hotkey(str(self.wallets), name, "default").ss58_address
        with serving(app, port):
            address = ServerAddress(hotkey, "127.0.0.1", port)
            server = RunningServer(app, address, self.caller)
            wait_until(lambda: httpx.get(f"{server.url}/readyz").status_code == 200)
            yield server


def wait_until(probe: Callable[[], object], seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < deadline, "the condition never became true"
        time.sleep(0.02)


def quiet_environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
