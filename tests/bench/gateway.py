"""
What the gateway adds to calling a Server directly, and what its books hold: `make bench
NAME=gateway`.

A Server that writes a token every 20 ms for each text stands in for a model on a machine of its
own; the gateway, the Server and the caller are three processes on this machine. Both ways are
called in turn, so that whatever else runs is shared by both.
"""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvloop
from bittensor_wallet import Keypair
from tests.bench.gateway_report import write_report
from tests.bench.ledger import measure
from tests.conftest import free_port, wait_until
from tests.validator_service.stand_ins import HttpThread, StubChain, chain_app
from tokenizers import Tokenizer
from tqdm import tqdm

from server_service.client import GeneratePiece, GenerateRequest, ServerAddress, ServerClient
from taonet.kit import db
from taonet.kit.keys import ensure_wallet, load_hotkey
from taonet.local.postgres import postgres_url, prepare_postgres
from taonet.local.valkey import prepare_valkey, valkey_url
from validator_service.app import IDLE_SECONDS
from validator_service.client import GatewayClient

TOKENIZER = Path("server-service/models/tokenizer.json")
CALLS = 150
WARM_UP = 20
STREAMS = 32
STREAM_TOKENS = 100
ROUNDS = 5
TAO = 10**9
QUIETLY: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
PROMPT = "def add(first, second):"


def main() -> None:
    with surroundings() as (url, database_url, address, keypair, key):
        figures = uvloop.run(measure_both(url, address, keypair, key))
        pairs = measure(database_url)
    write_report(figures, pairs)


async def measure_both(
    url: str, address: ServerAddress, keypair: Keypair, api_key: str
) -> dict[str, dict[str, list[float]]]:
    """Return the seconds to the first token and the tokens a second, both ways."""
    limits = httpx.Limits(max_connections=None, keepalive_expiry=IDLE_SECONDS)
    prompt = Tokenizer.from_file(str(TOKENIZER)).encode(PROMPT).ids
    async with httpx.AsyncClient(limits=limits, trust_env=False, timeout=60) as http:
        client = ServerClient(keypair, http)

        async def directly(tokens: int) -> tuple[float, int]:
            wanted = GenerateRequest(prompt_tokens=prompt, max_new_tokens=tokens, temperature=0)
            started, first, count = time.perf_counter(), 0.0, 0
            async for piece in client.generate(address, wanted, timeout_seconds=60):
                first = first or time.perf_counter() - started
                count += isinstance(piece, GeneratePiece)
            return first, count

        async def through(tokens: int) -> tuple[float, int]:
            body = {"model": "network/best", "prompt": prompt, "max_tokens": tokens}
            started, first, count = time.perf_counter(), 0.0, 0
            async with http.stream(
                "POST",
                f"{url}/v1/completions",
                json={**body, "temperature": 0, "stream": True},
                headers={"authorization": f"Bearer {api_key}"},
            ) as answer:
                async for chunk in answer.aiter_raw():
                    first = first or time.perf_counter() - started
                    count += chunk.count(b'"finish_reason":null')
            return first, count

        ways = {"directly": directly, "through the gateway": through}
        return {
            "first": await measure_first(ways),
            "rate": await measure_rate(ways),
        }


Ask = Callable[[int], Awaitable[tuple[float, int]]]


async def measure_first(ways: Mapping[str, Ask]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in tqdm(range(WARM_UP + CALLS), desc="first token", file=sys.stderr):
        for name, ask in ways.items():
            first, _ = await ask(1)
            if number >= WARM_UP:
                found[name].append(first)
    return found


async def measure_rate(ways: Mapping[str, Ask]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in tqdm(range(ROUNDS), desc=f"{STREAMS} streams", file=sys.stderr):
        for name, ask in ways.items():
            started = time.perf_counter()
            counts = await asyncio.gather(*(ask(STREAM_TOKENS) for _ in range(STREAMS)))
            total = sum(count for _, count in counts)
            found[name].append(total / (time.perf_counter() - started))
    return found


@contextmanager
def surroundings() -> Iterator[tuple[str, str, ServerAddress, Keypair, str]]:
    """A gateway with real stores and a paid account, and a Server on a stub of a chain."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="taonet-bench-")))
        home.chmod(0o755)
        chain = StubChain()
        web = HttpThread(chain_app(chain))
        stack.callback(web.stop)
        server = start_server(stack, chain)
        ensure_wallet(home / "wallets", "validator", ["validator"])
        environment = start_stores(stack, home) | {
            "TAONET_CHAIN_URL": web.url,
            "TAONET_WALLET_PATH": str(home / "wallets"),
            "TAONET_WALLET_NAME": "validator",
            "TAONET_HOTKEY_NAME": "validator",
            "TAONET_TOKENIZER_PATH": str(TOKENIZER),
            "TAONET_VALIDATOR_PRIVATE_ADDRESSES": "true",
            "TAONET_VALIDATOR_REQUESTS_PER_MINUTE": "1000000",
            "TAONET_VALIDATOR_TOKENS_PER_MINUTE": "1000000000",
        }
        url = start_gateway(stack, environment)
        keypair = load_hotkey(str(home / "wallets"), "validator", "validator")
        key = fill_account(url, chain)
        yield url, environment["TAONET_DATABASE_URL"], server, keypair, key


def start_stores(stack: ExitStack, home: Path) -> dict[str, str]:
    port, password = free_port(), secrets.token_hex(8)
    launch(stack, lambda: prepare_postgres(home, port, password).start(**QUIETLY))
    admin_url = postgres_url(port, password)
    wait_until(lambda: db.provision(admin_url, "validator", "password"))
    redis_port = free_port()
    launch(stack, lambda: prepare_valkey(home, redis_port, password).start(**QUIETLY))
    return {
        "TAONET_DATABASE_URL": db.provision(admin_url, "validator", "password"),
        "TAONET_REDIS_URL": valkey_url(redis_port, password),
    }


def start_server(stack: ExitStack, chain: StubChain) -> ServerAddress:
    secret, port = "0x" + secrets.token_hex(32), free_port()
    command = [sys.executable, "-m", "tests.bench.paced_server", str(TOKENIZER), secret, str(port)]
    launch(stack, lambda: subprocess.Popen(command))
    wait_until(lambda: socket.create_connection(("127.0.0.1", port)).close())
    hotkey = Keypair.create_from_uri(secret).ss58_address
    chain.add_neuron(hotkey, axon={"ip": "127.0.0.1", "port": port}, incentive=0.5)
    return ServerAddress(hotkey, "127.0.0.1", port)


def start_gateway(stack: ExitStack, environment: dict[str, str]) -> str:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "validator_service.app:create_app"]
    command += ["--port", str(port), "--log-level", "warning", "--no-access-log"]
    launch(stack, lambda: subprocess.Popen(command, env={**os.environ, **environment}))
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: httpx.get(f"{url}/readyz").raise_for_status())
    return url


def fill_account(url: str, chain: StubChain) -> str:
    with GatewayClient(url) as client:
        key = client.create_key(Keypair.create_from_uri("0x" + secrets.token_hex(32)))
        chain.transfer(key.deposit_address, 1000 * TAO)
        wait_until(lambda: client.account(key.api_key).balance_rao > 0)
    return key.api_key


def launch(stack: ExitStack, start: Callable[[], "subprocess.Popen[bytes]"]) -> None:
    process = start()

    def stop() -> None:
        process.terminate()
        process.wait(timeout=30)

    stack.callback(stop)


if __name__ == "__main__":
    main()
