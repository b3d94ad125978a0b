"""Durable orders over HTTP, each answered after its commit: `make bench NAME=exchange`.

Server, Postgres and load generator share the machine. The orders are signed beforehand, so that
the generator's own work is small; the server checks every signature.
"""

import asyncio
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import psutil
import uvloop
from tests.conftest import free_port
from tests.exchange.live import OPERATOR_TOKEN
from tqdm import tqdm

from exchange_service.authentication import sign
from exchange_service.client import ExchangeClient, ExchangeRefusal
from exchange_service.compiled import find_compiled
from exchange_service.keys.schemas import KeyView

from .stores import make_schema, running_postgres

CONNECTIONS = (1, 32, 128)
SECONDS = 3.0
ROUNDS = 9
"""Odd, and over minutes: a machine that others share gives now half of what it gave before."""
ACCOUNTS = 480
OPEN_MAX = 190
"""Orders one account places in a round: fewer than it may have open."""
WORKERS = ("exchange", "Postgres", "load generator")
LIMITS = {128: 4_500, 32: 3_000}
LATENCY_MS_MAX = 1.5
PAGE = Path(__file__).parents[2] / "docs/benchmarks/exchange.md"


class Round(NamedTuple):
    per_second: float
    median_ms: float
    p99_ms: float
    refused: int
    work_us: dict[str, float]
    """Processor time per order, by who spent it."""


class Connection(asyncio.Protocol):
    """Sends its requests one after another and notes how long each answer takes."""

    def __init__(self, requests: Iterator[bytes], deadline: float) -> None:
        self.requests, self.deadline = requests, deadline
        self.taken: list[float] = []
        self.refused = 0
        self.ran_out = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.send()

    def send(self) -> None:
        self.started = time.perf_counter()
        request = next(self.requests, None) if self.started < self.deadline else None
        if request is None:
            self.ran_out = self.started < self.deadline
            self.transport.close()
            self.done.set_result(None)
            return
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self.taken.append(time.perf_counter() - self.started)
        self.refused += not head.startswith(b"HTTP/1.1 200")
        self.buffer = b""
        self.send()


@contextlib.contextmanager
def running_exchange(database_url: str) -> Iterator[str]:
    """The exchange as `taonet up` runs it, with limits that do not end the measurement."""
    port, home = free_port(), tempfile.mkdtemp(prefix="taonet-bench-wallet-")
    environment = os.environ | {
        "TAONET_DATABASE_URL": database_url,
        "TAONET_REDIS_URL": "redis://127.0.0.1:1/0",
        "TAONET_CHAIN_URL": "",
        "TAONET_WALLET_PATH": home,
        "TAONET_EXCHANGE_OPERATOR_TOKEN": OPERATOR_TOKEN,
        "TAONET_EXCHANGE_API_SECRET_FILE": f"{home}/api-secret",
        "TAONET_EXCHANGE_REQUEST_WEIGHT_PER_MINUTE": "1000000000",
        "TAONET_EXCHANGE_RAW_REQUESTS_PER_5_MINUTES": "1000000000",
        "TAONET_EXCHANGE_ORDERS_PER_10_SECONDS": "1000000000",
        "TAONET_EXCHANGE_ORDERS_PER_DAY": "1000000000",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    arguments = ["exchange_service.serving", "--factory", "exchange_service.app:create_app"]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            *arguments,
            "--port",
            str(port),
            "--log-level",
            "warning",
            "--no-access-log",
        ],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            with contextlib.suppress(ExchangeRefusal), ExchangeClient(url) as client:
                client.depth()
                break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def prepare(keys: list[KeyView], connection: int, connections: int) -> Iterator[bytes]:
    """Sign what one connection will send: bids far below each other, which never trade."""
    now_ms = time.time_ns() // 1_000_000
    requests = []
    for key in keys[connection::connections]:
        for number in range(OPEN_MAX):
            price = f"0.00{4000 + number}"
            query = (
                f"symbol=TAOBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price={price}"
                f"&newClientOrderId=o-{number}&timestamp={now_ms}&recvWindow=60000"
            )
            signature = sign(key.secret, query.encode())
            requests.append(
                f"POST /api/v3/order?{query}&signature={signature} HTTP/1.1\r\nHost: x\r\n"
                f"X-MBX-APIKEY: {key.api_key}\r\nContent-Length: 0\r\n\r\n".encode()
            )
    return iter(requests)


def count_work() -> dict[str, float]:
    """Return the seconds of processor time until now of all who share the machine."""
    work = dict.fromkeys(WORKERS, 0.0) | {"load generator": time.process_time()}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            name = "Postgres" if process.name() == "postgres" else "exchange"
            work[name] += times.user + times.system
    return work


def share_work(before: dict[str, float], orders: int) -> dict[str, float]:
    """Return the microseconds per order that were spent since."""
    return {name: 1e6 * (spent - before[name]) / orders for name, spent in count_work().items()}


async def load(url: str, keys: list[KeyView], connections: int) -> Round:
    host, _, port = url.removeprefix("http://").partition(":")
    loop = asyncio.get_running_loop()
    requests = [prepare(keys, number, connections) for number in range(connections)]
    work, started = count_work(), time.perf_counter()
    protocols = []
    for sent in requests:
        open_one = partial(Connection, sent, started + SECONDS)
        protocols.append((await loop.create_connection(open_one, host, int(port)))[1])
    await asyncio.gather(*(protocol.done for protocol in protocols))
    elapsed = time.perf_counter() - started
    check_supply(protocol.ran_out for protocol in protocols)
    taken = sorted(seconds for protocol in protocols for seconds in protocol.taken)
    return Round(
        len(taken) / elapsed,
        statistics.median(taken) * 1_000,
        taken[len(taken) * 99 // 100] * 1_000,
        sum(protocol.refused for protocol in protocols),
        share_work(work, len(taken)),
    )


def check_supply(ran_out: Iterable[bool]) -> None:
    """Stop where somebody had nothing left to send: what follows would measure the generator."""
    if any(ran_out):
        raise SystemExit("the orders ran out before the time was over: sign more of them")


def clear(url: str, keys: list[KeyView]) -> None:
    for key in keys:
        client = ExchangeClient(url, key.api_key, key.secret)
        with client, contextlib.suppress(ExchangeRefusal):
            client.cancel_all()


def measure() -> dict[int, list[Round]]:
    rounds: dict[int, list[Round]] = {count: [] for count in CONNECTIONS}
    with contextlib.ExitStack() as stack:
        admin_url = stack.enter_context(running_postgres())
        database_url = make_schema(admin_url, "exchange_service")
        url = stack.enter_context(running_exchange(database_url))
        public = stack.enter_context(ExchangeClient(url))
        numbers = tqdm(range(ACCOUNTS), desc="accounts")
        keys = [public.create_key(f"trader-{number}", funded=True) for number in numbers]
        for count in tqdm(list(CONNECTIONS) * ROUNDS, desc="rounds"):
            rounds[count].append(uvloop.run(load(url, keys, count)))
            clear(url, keys)
        audit = public.audit(OPERATOR_TOKEN)
        assert audit.sound, audit.faults
    return rounds


def write(rounds: dict[int, list[Round]]) -> str:
    lines = []
    for count, measured in rounds.items():
        rates = sorted(one.per_second for one in measured)
        median_ms = statistics.median(one.median_ms for one in measured)
        p99_ms = statistics.median(one.p99_ms for one in measured)
        shares = [statistics.median(one.work_us[name] for one in measured) for name in WORKERS]
        limit = f"≥ {LIMITS[count]:,}/s" if count in LIMITS else f"median ≤ {LATENCY_MS_MAX} ms"
        lines.append(
            f"| {count} | {statistics.median(rates):,.0f} | {rates[0]:,.0f} – {rates[-1]:,.0f} | "
            f"{median_ms:.2f} | {p99_ms:.1f} | {' + '.join(f'{share:.0f}' for share in shares)} | "
            f"{limit} |"
        )
    refused = sum(one.refused for measured in rounds.values() for one in measured)
    table = "\n".join(lines)
    how = "compiled by mypyc (`make compile`)" if find_compiled() else "as plain Python"
    return f"""# Durable orders over HTTP

`make bench NAME=exchange`. Limit orders that do not trade, `POST /api/v3/order`, each signed
(HMAC-SHA256, checked by the server) and answered only after journal, order, transfers, seal and
balances are committed to Postgres with its defaults (fsync on). Exchange, Postgres and the load
generator share one machine of {os.cpu_count()} cores ({platform.python_implementation()} \
{platform.python_version()}). Median of {ROUNDS} rounds of {SECONDS:.0f} s each, keep-alive
connections, one request at a time on each. The exchange ran {how}. Refused: {refused}.
Afterwards the books are audited.
The work is processor time per order, in µs: of {", ".join(WORKERS)}.

| connections | orders/s | range | median ms | p99 ms | work µs | asked for |
| --- | --- | --- | --- | --- | --- | --- |
{table}

Doors and engine share one interpreter, so that a second divided by the exchange's own work is about
the most it answers: that, and neither Postgres nor the disk, is the limit at 128 connections.
"""


def main() -> None:
    page = write(measure())
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page)
    print(page)


if __name__ == "__main__":
    main()
