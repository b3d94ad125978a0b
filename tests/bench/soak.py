"""
Ten minutes of everything at once against one Server, callers that mean harm included:
`make soak-server`. Writes docs/benchmarks/soak.md with a plot of the memory, and fails if memory
grows or anyone honest is not answered.
"""

# ruff: noqa: E501 (a page of Markdown has its own lines)

import argparse
import asyncio
import contextlib
import random
import sys
import time
from pathlib import Path

import httpx
import orjson
from tests.bench.memory import plot_memory
from tests.bench.servers import Bench, Running, ask_something, prepare, running_server, sign

from server_service.schemas import RequestKind

PLOT = Path("docs/images/server-soak.png")
PAGE = Path("docs/benchmarks/soak.md")
HONEST, HARMFUL = 6, 6
SAMPLE_SECONDS = 2.0
SETTLED_SHARE = 0.2
"""Of the run, before memory is held to be settled."""
GROWTH_MAX = 0.10
WORDS = (b"GET / HTTP/1.1\r\nhost: x\r\nx: ", b"\x00" * 200, b"POST /v1/generate HTTP/1.1\r\n")


async def soak(
    bench: Bench, server: Running, seconds: float
) -> tuple[list[tuple[float, float]], int]:
    """(seconds, MiB) as time went by, and how many honest requests were answered."""
    started = time.monotonic()
    ends, answered = started + seconds, 0
    seen: list[tuple[float, float]] = []

    async def be_honest(http: httpx.AsyncClient) -> None:
        nonlocal answered
        while time.monotonic() < ends:
            await ask_something(bench, server, http, answered)
            answered += 1

    async def watch() -> None:
        while time.monotonic() < ends:
            memory = server.process.memory_info().rss / 2**20
            seen.append((time.monotonic() - started, memory))
            await asyncio.sleep(SAMPLE_SECONDS)

    async with httpx.AsyncClient(timeout=60) as http:
        harm = [do_harm(bench, server, ends) for _ in range(HARMFUL)]
        await asyncio.gather(watch(), *[be_honest(http) for _ in range(HONEST)], *harm)
    return seen, answered


async def do_harm(bench: Bench, server: Running, ends: float) -> None:
    """Vanish in the middle, half close, dawdle, send rubbish, ask for too much; again and again."""
    chance = random.Random(1)
    while time.monotonic() < ends:
        with contextlib.suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            body = orjson.dumps({"prompt": "x" * chance.randrange(1, 4000), "max_new_tokens": 400})
            request = sign(bench, server, RequestKind.GENERATE, body)
            lines = [f"POST {request.path} HTTP/1.1", "host: x", f"content-length: {len(body)}"]
            lines += [f"{name}: {value}" for name, value in request.headers.items()]
            whole = "\r\n".join([*lines, "", ""]).encode() + body
            match chance.randrange(4):
                case 0:
                    writer.write(chance.choice(WORDS))
                    await asyncio.wait_for(reader.read(1000), 15)
                case 1:
                    writer.write(whole[: chance.randrange(len(whole))])
                case 2:
                    writer.write(whole)
                    await asyncio.wait_for(reader.read(500), 15)
                case _:
                    writer.write(whole)
                    writer.write_eof()
                    await asyncio.wait_for(reader.read(100), 15)
            writer.transport.abort()
        await asyncio.sleep(chance.random() / 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    seconds = parser.parse_args().seconds
    with prepare() as bench, running_server(bench) as server:
        seen, answered = asyncio.run(soak(bench, server, seconds))
        files, threads = server.process.num_fds(), server.process.num_threads()
    plot_memory(PLOT, seen, "seconds", f"A Server under siege for {seconds:g} s")
    settled = next(size for passed, size in seen if passed >= SETTLED_SHARE * seconds)
    growth = seen[-1][1] / settled - 1
    PAGE.write_text(
        f"""# A Server under siege

`make soak-server`: for {seconds:g} s, {HONEST} honest callers ask one Server for texts (greedy, sampled, seeded), while {HARMFUL} others vanish in the
middle of an answer, half close, dawdle, send rubbish, and ask for too much, again and again. Every honest request must be answered.

| | |
| --- | ---: |
| honest requests answered | {answered:,} |
| memory after a fifth of the time, MiB | {settled:.0f} |
| memory at the end, MiB | {seen[-1][1]:.0f} |
| growth, at most {GROWTH_MAX:.0%} | {growth:+.1%} |
| open files at the end | {files} |
| threads at the end | {threads} |

![memory](../images/{PLOT.name})
"""
    )
    print(PAGE.read_text())
    sys.exit(f"memory grew by {growth:.0%}" if growth > GROWTH_MAX else 0)


if __name__ == "__main__":
    main()
