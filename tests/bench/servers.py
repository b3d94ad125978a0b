"""The two that are compared on serving, run and asked alike: a Server, and `transformers serve`."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import psutil
from tests.bench.stream_client import Measured, Request, measure_streams
from tests.conftest import free_port
from tests.server_service.fake_chain import FakeChain, create_chain_app
from tests.server_service.serving import serving
from tqdm import tqdm

from server_service.client import ServerAddress
from server_service.schemas import RequestKind
from server_service.starters import STARTER_MODELS
from taonet.kit import signing
from taonet.kit.keys import Keypair, ensure_wallet, load_hotkey
from taonet.local.command import Command
from taonet.local.valkey import prepare_valkey, valkey_url

MODEL = STARTER_MODELS / "oak"
NEW_TOKENS = 64
AT_ONCE = {1: 31, 8: 11, 32: 7}
"""Streams at once, and rounds of them."""
PEER_BOUNDS = ("--cb-block-size", "32", "--cb-num-blocks", "512", "--cb-max-batch-tokens", "512")
"""Of its pool of key-value blocks on a processor, as its default takes most of the memory."""
PROMPTS = [
    f'def read_{name}(path):\n    """Read the {name} from a file.\n\n    The file is opened once.\n'
    for name in ("header", "index", "table", "record", "footer", "message", "value", "options")
]
QUIET = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True)
class Bench:
    """What the Servers of a run stand on."""

    folder: Path
    redis_url: str
    chain_url: str
    caller: Keypair


@dataclass(frozen=True)
class Running:
    port: int
    process: psutil.Process
    address: ServerAddress


@contextlib.contextmanager
def prepare() -> Iterator[Bench]:
    caller = Keypair.create_from_uri("//Caller")
    chain = FakeChain()
    chain.add(caller.ss58_address)
    with tempfile.TemporaryDirectory(prefix="taonet-bench-") as name:
        folder, port, chain_port = Path(name), free_port(), free_port()
        folder.chmod(0o755)
        store = prepare_valkey(folder, port, "bench")
        with running(store), serving(create_chain_app(chain), chain_port):
            url = f"http://127.0.0.1:{chain_port}"
            yield Bench(folder, valkey_url(port, "bench"), url, caller)


@contextlib.contextmanager
def running(command: Command) -> Iterator[psutil.Process]:
    environment = {**os.environ, **QUIET, **command.environment}
    process = subprocess.Popen(
        command.arguments,
        env=environment,
        user=command.user,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if "-v" not in sys.argv else None,
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@contextlib.contextmanager
def running_server(bench: Bench, **changes: object) -> Iterator[Running]:
    ensure_wallet(bench.folder / "wallets", "server", ["default"])
    hotkey = load_hotkey(str(bench.folder / "wallets"), "server", "default").ss58_address
    port = free_port()
    values = {
        "REDIS_URL": bench.redis_url,
        "CHAIN_URL": bench.chain_url,
        "WALLET_PATH": bench.folder / "wallets",
        "WALLET_NAME": "server",
        "SERVER_MODEL": MODEL,
        "SERVER_CACHE_PATH": bench.folder / "models",
        "SERVER_AXON_PORT": port,
        "SERVER_RATE_PER_SECOND": 1e6,
        "SERVER_RATE_BURST": 1e6,
        "LOG_LEVEL": "warning",
        **changes,
    }
    environment = {f"TAONET_{name}": str(value) for name, value in values.items()}
    command = Command([sys.executable, "-m", "taonet.cli.main", "server", "run"], environment)
    with running(command) as process:
        wait_until(lambda: is_up(process, port, "/readyz"))
        yield Running(port, process, ServerAddress(hotkey, "127.0.0.1", port))


@contextlib.contextmanager
def running_peer(
    model: Path = MODEL,
    device: str = "cpu",
    dtype: str = "float32",
    options: Sequence[str] = PEER_BOUNDS,
) -> Iterator[int]:
    port = free_port()
    command_line = ("-c", "from transformers.cli.transformers import main; main()", "serve")
    place = ("--host", "127.0.0.1", "--port", str(port), "--device", device, "--dtype", dtype)
    arguments = [
        sys.executable,
        *command_line,
        str(model),
        "--continuous-batching",
        *options,
        *place,
    ]
    command = Command(arguments, {})
    with running(command) as process:
        wait_until(lambda: is_up(process, port, "/health"))
        yield port


def measure_peer(
    port: int, model: Path = MODEL, at_once: dict[int, int] = AT_ONCE
) -> dict[int, Measured]:
    prompts = itertools.cycle(PROMPTS)

    def make_request() -> Request:
        body = {
            "model": str(model),
            "prompt": next(prompts),
            "max_tokens": NEW_TOKENS,
            "temperature": 0,
            "stream": True,
        }
        return Request("/v1/completions", {}, orjson.dumps(body))

    def count_tokens(body: bytes) -> int:
        ends = [line for line in body.split(b"\n") if b'"completion_tokens":' in line]
        counted: int = orjson.loads(ends[-1][ends[-1].index(b"{") : ends[-1].rindex(b"}") + 1])[
            "usage"
        ]["completion_tokens"]
        return counted

    return measure_each("peer", port, make_request, count_tokens, at_once)


def measure_server(
    bench: Bench, server: Running, at_once: dict[int, int] = AT_ONCE
) -> dict[int, Measured]:
    prompts = itertools.cycle(PROMPTS)

    def make_request() -> Request:
        body = {"prompt": next(prompts), "max_new_tokens": NEW_TOKENS, "temperature": 0}
        return sign(bench, server, RequestKind.GENERATE, orjson.dumps(body))

    return measure_each("server", server.port, make_request, count_pieces, at_once)


def count_pieces(body: bytes) -> int:
    return body.count(b'{"token":')


def sign(bench: Bench, server: Running, kind: RequestKind, body: bytes) -> Request:
    hotkey = server.address.hotkey
    return Request(
        kind.path, signing.sign_request(bench.caller, "POST", kind.path, body, hotkey), body
    )


def measure_each(
    name: str,
    port: int,
    make_request: Callable[[], Request],
    count: Callable[[bytes], int],
    at_once: dict[int, int],
) -> dict[int, Measured]:
    return {
        streams: measure_streams(port, make_request, count, streams, rounds)
        for streams, rounds in tqdm(at_once.items(), desc=name)
    }


async def ask_something(bench: Bench, server: Running, http: httpx.AsyncClient, n: int) -> None:
    """In turn: a short text, a sampled one, a seeded one by the reference."""
    body: dict[str, object] = {"prompt": PROMPTS[n % len(PROMPTS)], "max_new_tokens": 4 + n % 5}
    body["temperature"] = 0 if n % 3 == 0 else 0.8
    if n % 9 == 0:
        body["seed"], body["temperature"] = n, 0.8
    request = sign(bench, server, RequestKind.GENERATE, orjson.dumps(body))
    url = f"http://127.0.0.1:{server.port}{request.path}"
    answer = await http.post(url, content=request.body, headers=request.headers)
    assert answer.status_code == 200, answer.text


def is_up(process: psutil.Process, port: int, path: str) -> bool:
    if process.status() == psutil.STATUS_ZOMBIE:
        raise RuntimeError("the process ended before it was ready; `-v` shows what it said")
    return httpx.get(f"http://127.0.0.1:{port}{path}").status_code == 200


def wait_until(probe: Callable[[], bool], seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError, socket.error):
            if probe():
                return
        time.sleep(0.1)
    raise TimeoutError("it never became ready")
