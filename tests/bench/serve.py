"""
A Server against `transformers serve --continuous-batching`, side by side: `make bench NAME=serve`.

The same model (oak), greedy, 64 new tokens, over HTTP with streaming, each with the machine to
itself in turn. Writes docs/benchmarks/serve.md and the plot of the Server's memory.
"""

# ruff: noqa: E501 (a page of Markdown has its own lines)

import asyncio
import os
import time
from pathlib import Path

import httpx
import numpy as np
from tests.bench.memory import plot_memory
from tests.bench.servers import (
    AT_ONCE,
    MODEL,
    NEW_TOKENS,
    Bench,
    Running,
    ask_something,
    measure_peer,
    measure_server,
    prepare,
    running_peer,
    running_server,
)
from tests.bench.stream_client import (
    Measured,
    median_seconds,
    render_table,
)
from tqdm import tqdm

from server_service.client import ServerClient
from server_service.pretrained import load_engine

REQUIRED = {1: 5, 8: 3, 32: 3}
NEXT_SHAPE = (32, 128)
MANY_REQUESTS = 10_000
PAGE = Path("docs/benchmarks/serve.md")
PLOT = Path("docs/images/server-memory.png")


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
