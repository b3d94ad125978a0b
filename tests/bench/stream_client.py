"""A light client for benchmarks: many streams at once over raw sockets, and when each byte came."""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ROUND_SECONDS_MAX = 120.0


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Stream:
    """What one stream gave, and when, in seconds."""

    body: bytes
    first_seconds: float
    """From sending to the first bytes of the body."""
    total_seconds: float


@dataclass(frozen=True)
class Measured:
    tokens_per_second: float
    """The median of the rounds."""
    lowest: float
    highest: float
    first_seconds: float
    """The median of all streams."""


async def read_stream(port: int, request: Request) -> Stream:
    """One request on one connection, read to its end."""
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    lines = [f"POST {request.path} HTTP/1.1", "host: bench", "connection: close"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    lines += ["content-type: application/json", f"content-length: {len(request.body)}", "", ""]
    writer.write("\r\n".join(lines).encode() + request.body)
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 200 " in head.split(b"\r\n", 1)[0], head + await reader.read(2000)
    body = bytearray(await reader.read(65536))
    first = time.perf_counter() - started
    while piece := await reader.read(65536):
        body += piece
    writer.close()
    return Stream(bytes(body), first, time.perf_counter() - started)


def measure_streams(
    port: int,
    make_request: Callable[[], Request],
    count_tokens: Callable[[bytes], int],
    at_once: int,
    rounds: int,
) -> Measured:
    """Rounds of `at_once` streams together, after one that is not counted."""

    async def run() -> tuple[float, list[Stream]]:
        requests = [make_request() for _ in range(at_once)]
        started = time.perf_counter()
        streams = await asyncio.gather(*[read_stream(port, request) for request in requests])
        return time.perf_counter() - started, streams

    speeds, firsts = [], []
    for number in range(rounds + 1):
        seconds, streams = asyncio.run(asyncio.wait_for(run(), ROUND_SECONDS_MAX))
        if number:
            speeds.append(sum(count_tokens(stream.body) for stream in streams) / seconds)
            firsts += [stream.first_seconds for stream in streams]
    return Measured(statistics.median(speeds), min(speeds), max(speeds), statistics.median(firsts))


def median_seconds(run: Callable[[], object], rounds: int) -> float:
    run()
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def render_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
