"""The command line: a process that joins, serves, drains and exits 0; or says why it cannot."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.conftest import free_port
from tests.server_service.fake_chain import FakeChain
from tests.server_service.serving import Surroundings, wait_until

from server_service import join
from server_service.client import GenerateEnd, GenerateRequest, ServerAddress, ServerClient
from server_service.schemas import FinishReason
from taonet.kit.keys import load_hotkey

COMMAND = "import sys; from server_service.join import server_app; server_app()"
PROCESS_SECONDS = 60


def start(surroundings: Surroundings, *arguments: str, **changes: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "TAONET_REDIS_URL": surroundings.redis_url,
        "TAONET_WALLET_PATH": str(surroundings.wallets),
        **changes,
    }
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    with process:
        try:
            yield process
        finally:
            process.kill()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.alone
def test_joining_serving_and_leaving(surroundings: Surroundings, chain: FakeChain) -> None:
    port = free_port()
    options = ["--chain", surroundings.chain_url, "--model", str(surroundings.model)]
    with ended(
        start(surroundings, "join", *options, "--name", "joiner", "--port", str(port))
    ) as process:
        wait_until(lambda: is_ready(f"http://127.0.0.1:{port}"), PROCESS_SECONDS)
        hotkey = load_hotkey(str(surroundings.wallets), "joiner", "default").ss58_address
        wait_until(lambda: (chain.find(hotkey) or {}).get("axon") is not None)
        assert {"ip": "127.0.0.1", "port": port} == (chain.find(hotkey) or {})["axon"]

        address = ServerAddress(hotkey, "127.0.0.1", port)
        end = asyncio.run(read_while_it_stops(surroundings, address, process))

        assert FinishReason.LENGTH is end.finish_reason
        assert end.usage.completion_tokens == 100
        assert process.wait(PROCESS_SECONDS) == 0, process.stderr and process.stderr.read()


async def read_while_it_stops(
    surroundings: Surroundings, address: ServerAddress, process: subprocess.Popen[str]
) -> GenerateEnd:
    """The end of a text whose Server is told to stop after the first token."""
    request = GenerateRequest(prompt="import", max_new_tokens=100, temperature=0)
    async with httpx.AsyncClient() as http:
        client = ServerClient(surroundings.caller, http)
        lines = [
            await anext(stream := client.generate(address, request, timeout_seconds=30)),
        ]
        process.send_signal(signal.SIGTERM)
        lines += [line async for line in stream]
    assert isinstance(lines[-1], GenerateEnd)
    return lines[-1]


def test_a_new_wallet_is_encrypted_where_a_password_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(join, "run", lambda *_: None)
    monkeypatch.setenv("TAONET_WALLET_NAME", "set back after the test")
    monkeypatch.setenv("TAONET_WALLET_PATH", str(tmp_path))
    monkeypatch.setenv("TAONET_WALLET_PASSWORD", "correct horse battery")

    join.join(chain="http://127.0.0.1:9", model="none", name="careful")

    assert (tmp_path / "careful" / "coldkey").read_bytes().startswith(b"$NACL")


def test_a_model_that_cannot_be_read_is_named(surroundings: Surroundings, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    options = ["--chain", surroundings.chain_url, "--model", str(tmp_path)]
    with ended(
        start(surroundings, "join", *options, "--name", "broken", "--port", str(free_port()))
    ) as process:
        _, output = process.communicate(timeout=PROCESS_SECONDS)
    assert f"{tmp_path}: no tokenizer could be read" in output
    assert "Traceback" not in output
    assert process.returncode not in (0, -signal.SIGKILL)


def test_what_is_missing_is_named(surroundings: Surroundings) -> None:
    with ended(start(surroundings, "run")) as process:
        _, output = process.communicate(timeout=PROCESS_SECONDS)
    assert "TAONET_SERVER_MODEL" in output
    assert process.returncode == 2
