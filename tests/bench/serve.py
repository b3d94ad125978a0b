"""
A Server against `transformers serve --continuous-batching`, side by side: `make bench NAME=serve`.

The same model (oak), greedy, 64 new tokens, over HTTP with streaming, each with the machine to
itself in turn. Writes docs/benchmarks/serve.md and the plot of the Server's memory.
"""

# ruff: noqa: E501 (a page of Markdown has its own lines)

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import orjson
import psutil
from tests.bench.memory import plot_memory
from tests.bench.stream_client import (
    Measured,
    Request,
    measure_streams,
    median_seconds,
    render_table,
)
from tests.server_service.fake_chain import FakeChain, create_chain_app
from tests.server_service.serving import free_port, serving
from tqdm import tqdm

from server_service.client import ServerAddress, ServerClient
from server_service.commands import DEFAULT_MODELS
from server_service.engine import load_engine
from server_service.schemas import RequestKind
from taonet.kit import signing
from taonet.kit.keys import Keypair, ensure_wallet, load_hotkey
from taonet.local.command import Command
from taonet.local.valkey import prepare_valkey, valkey_url

MODEL = DEFAULT_MODELS / "oak"
NEW_TOKENS = 64
AT_ONCE = {1: 31, 8: 11, 32: 7}
"""Streams at once, and rounds of them."""
REQUIRED = {1: 5, 8: 3, 32: 3}
NEXT_SHAPE = (32, 128)
MANY_REQUESTS = 10_000
PAGE = Path("docs/benchmarks/serve.md")
PLOT = Path("docs/images/server-memory.png")
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


def main() -> None:
    with prepare() as bench:
        table: dict[str, dict[int, Measured]] = {}
        with running_peer() as port:
            table["transformers serve --continuous-batching"] = measure_peer(port)
        for compute_type in ("float32", "int8"):
            with running_server(bench, SERVER_COMPUTE_TYPE=compute_type) as server:
                table[f"taonet Server, {compute_type}"] = measure_server(bench, server)
        with running_server(bench) as server:
            over_http, bare = measure_next(bench, server)
        with running_server(bench) as server:
            memory = measure_memory(bench, server)
    plot_memory(PLOT, memory, "requests answered", f"A Server over {MANY_REQUESTS:,} requests")
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render_page(table, over_http, bare, memory))
    print(PAGE.read_text())


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
        wait_until(lambda: httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200)
        yield Running(port, process, ServerAddress(hotkey, "127.0.0.1", port))


@contextlib.contextmanager
def running_peer() -> Iterator[int]:
    """Its pool of key-value blocks bounded, as its default takes most of the memory."""
    port = free_port()
    program = str(Path(sys.executable).parent / "transformers")
    bounds = ("--cb-block-size", "32", "--cb-num-blocks", "512", "--cb-max-batch-tokens", "512")
    place = ("--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32")
    arguments = [program, "serve", str(MODEL), "--continuous-batching", *bounds, *place]
    command = Command(arguments, {})
    with running(command):
        wait_until(lambda: httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200)
        yield port


def measure_peer(port: int) -> dict[int, Measured]:
    prompts = itertools.cycle(PROMPTS)

    def make_request() -> Request:
        body = {
            "model": str(MODEL),
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

    return measure_each("peer", port, make_request, count_tokens)


def measure_server(bench: Bench, server: Running) -> dict[int, Measured]:
    prompts = itertools.cycle(PROMPTS)

    def make_request() -> Request:
        body = {"prompt": next(prompts), "max_new_tokens": NEW_TOKENS, "temperature": 0}
        return sign(bench, server, RequestKind.GENERATE, orjson.dumps(body))

    return measure_each("server", server.port, make_request, count_pieces)


def count_pieces(body: bytes) -> int:
    return body.count(b'{"token":')


def sign(bench: Bench, server: Running, kind: RequestKind, body: bytes) -> Request:
    hotkey = server.address.hotkey
    return Request(
        kind.path, signing.sign_request(bench.caller, "POST", kind.path, body, hotkey), body
    )


def measure_each(
    name: str, port: int, make_request: Callable[[], Request], count: Callable[[bytes], int]
) -> dict[int, Measured]:
    return {
        at_once: measure_streams(port, make_request, count, at_once, rounds)
        for at_once, rounds in tqdm(AT_ONCE.items(), desc=name)
    }


def measure_next(bench: Bench, server: Running) -> tuple[float, float]:
    """Seconds of TextCausalLMNext over HTTP, and of the engine's bare forward pass."""
    tokens = np.random.default_rng(1).integers(2, 2000, NEXT_SHAPE)

    async def ask() -> float:
        async with httpx.AsyncClient() as http:
            client = ServerClient(bench.caller, http)
            taken = []
            for _ in range(16):
                started = time.perf_counter()
                await client.next_phrases(server.address, tokens, top_k=64, timeout_seconds=10)
                taken.append(time.perf_counter() - started)
            return float(np.median(taken[1:]))

    over_http = asyncio.run(ask())
    engine = load_engine(str(MODEL), 2048, threads=1)
    return over_http, median_seconds(lambda: engine.next_logits(tokens), 15)


def measure_memory(bench: Bench, server: Running) -> list[tuple[float, float]]:
    """(requests answered, resident MiB) over thousands of mixed requests, sixteen at once."""
    seen = [(0.0, server.process.memory_info().rss / 2**20)]

    async def run() -> None:
        limits = httpx.Limits(max_connections=16)
        async with httpx.AsyncClient(limits=limits, timeout=30) as http:
            for done in tqdm(range(0, MANY_REQUESTS, 100), desc="memory"):
                await asyncio.gather(*[ask_something(bench, server, http, n) for n in range(100)])
                seen.append((done + 100.0, server.process.memory_info().rss / 2**20))

    asyncio.run(run())
    return seen


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


def wait_until(probe: Callable[[], bool], seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError, socket.error):
            if probe():
                return
        time.sleep(0.1)
    raise TimeoutError("it never became ready")


def render_page(
    table: dict[str, dict[int, Measured]],
    over_http: float,
    bare: float,
    memory: list[tuple[float, float]],
) -> str:
    peer = next(iter(table.values()))
    head = ["", *[f"{n} stream{'s' if n > 1 else ''}" for n in AT_ONCE]]
    speeds = [
        [
            name,
            *[
                f"{m.tokens_per_second:,.0f} ({m.lowest:,.0f} … {m.highest:,.0f})"
                for m in row.values()
            ],
        ]
        for name, row in table.items()
    ]
    ratios = [
        [
            f"{name}: times the peer",
            *[f"{row[n].tokens_per_second / peer[n].tokens_per_second:.1f}" for n in AT_ONCE],
        ]
        for name, row in list(table.items())[1:]
    ]
    required = [["required", *[f"{times}" for times in REQUIRED.values()]]]
    firsts = [
        [name, *[f"{m.first_seconds * 1000:.1f}" for m in row.values()]]
        for name, row in table.items()
    ]
    rows, length = NEXT_SHAPE
    settled = next(size for done, size in memory if done >= MANY_REQUESTS / 10)
    return f"""# Serving texts

`make bench NAME=serve`. One machine of {os.cpu_count()} cores without a GPU, which holds the server and the client;
one after the other. Model: oak (1,066,112 parameters); greedy; {NEW_TOKENS} new tokens; HTTP with streaming, a connection a request.
Tokens per second, the median of the rounds (lowest … highest):

{render_table(head, speeds + ratios + required)}

The Server signs and is signed to, and keeps nonces in Valkey; the peer does neither. float32 writes token for token what
the reference in torch writes; int8 is only taken where it is asked for, or where it costs at most 0.02 nats (`--compute-type auto`).

Time to the first token, milliseconds, the median of all streams:

{render_table(head, firsts)}

TextCausalLMNext for {rows} × {length} tokens: {over_http * 1000:.1f} ms over HTTP, {bare * 1000:.1f} ms for the bare forward pass of the same engine
in a process of its own: **{bare / over_http:.2f}** of its speed (required: 0.9).

Memory over {MANY_REQUESTS:,} requests: {memory[0][1]:.0f} MiB at first, {settled:.0f} MiB after a tenth, {memory[-1][1]:.0f} MiB at the end.

![memory](../images/{PLOT.name})
"""


if __name__ == "__main__":
    main()
