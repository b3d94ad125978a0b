"""A gateway as a process of its own, and a consumer with an account at it."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import pytest
from bittensor_wallet import Keypair

from validator_service.client import GatewayClient
from validator_service.ledger.schemas import AccountView, NewKey


@contextlib.contextmanager
def running_gateway(environment: dict[str, str]) -> Iterator[str]:
    """The gateway as a process of its own, as the cluster runs it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", "validator_service.app:create_app"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--log-level", "warning"],
        env={**os.environ, **environment, "TAONET_VALIDATOR_AXON_PORT": str(port)},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(url, process)
        yield url
    finally:
        process.terminate()
        assert process.wait(timeout=20) in (0, -signal.SIGTERM)


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(400):
        assert process.poll() is None, "the gateway ended at its start"
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError("the gateway was never ready")


@pytest.fixture
def gateway_url(environment: dict[str, str]) -> Iterator[str]:
    with running_gateway(environment) as url:
        yield url


@dataclass
class Consumer:
    """Somebody with an account at a gateway."""

    keypair: Any
    chain: Any
    wait: Any
    gateway: GatewayClient
    key: NewKey
    closing: contextlib.ExitStack

    def pay(self, amount_rao: int) -> None:
        """Send TAO to the deposit address and wait until it is credited."""
        before = self.account().balance_rao
        self.chain.transfer(self.key.deposit_address, amount_rao)
        self.wait(lambda: self.account().balance_rao == before + amount_rao)

    def account(self) -> AccountView:
        return self.gateway.account(self.key.api_key)

    def openai(self, **options: Any) -> openai.OpenAI:
        options = {"base_url": f"{self.gateway.url}/v1", "api_key": self.key.api_key, **options}
        return self.closing.enter_context(openai.OpenAI(**options))


@pytest.fixture
def consumer(gateway_url: str, chain: Any, wait: Any) -> Iterator[Consumer]:
    keypair = Keypair.create_from_uri("0x" + secrets.token_hex(32))
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(GatewayClient(gateway_url))
        yield Consumer(keypair, chain, wait, client, client.create_key(keypair), stack)


@pytest.fixture
def start_gateway() -> Any:
    return running_gateway
