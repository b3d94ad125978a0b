"""Fan-out to a thousand subscribers, and orders over WebSocket: `make bench NAME=streams`.

Exchange, Postgres, load generator and subscribers share the machine. A frame's lag is the time from
the event's own stamp (`E`) to its arrival. Orders are signed beforehand; the server checks each.
"""

import asyncio
import base64
import json
import os
import platform
import re
import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.bench.exchange import (
    WORKERS,
    Connection,
    Round,
    check_supply,
    count_work,
    running_exchange,
    share_work,
)
from tests.bench.sockets import Socket, itself, write_frame
from tests.bench.stores import make_schema, running_postgres
from tests.exchange.live import OPERATOR_TOKEN
from tqdm import tqdm

from exchange_service.authentication import sign
from exchange_service.client import ExchangeClient
from exchange_service.compiled import find_compiled

SUBSCRIBERS = 1_000
STREAM = "taobtc@depth@100ms"
STREAM_SECONDS = 12.0
LAG_MS_MAX = 50
ACCOUNTS = 128
ORDERS_MAX = 160_000
"""Signed beforehand, for all connections together: more than a round takes."""
SECONDS = 3.0
ROUNDS = 5
COUNTS = (32, 128)
RATIO_MIN = 1.5
HTTP = "HTTP"
SOCKETS = {
    "WebSocket": (1, False),
    "WebSocket, 8 at a time": (8, False),
    "WebSocket, logged on": (1, True),
    "WebSocket, logged on, 8 at a time": (8, True),
}
"""How many orders a connection has under way, and whether it has logged on."""
LOAD = os.getloadavg()[0]
PAGE = Path(__file__).parents[2] / "docs/benchmarks/streams.md"
LOGON = b'"logon"'
"""The id of the request that logs a connection on, as its answer has it."""
STAMP = re.compile(rb'"E":(\d+)')


class TradingKey(NamedTuple):
    """An account's key: signed with its secret, or with the half of a pair that we keep."""

    api_key: str
    secret: str
    private: Ed25519PrivateKey | None = None


class Subscriber(Socket):
    """Notes how late each event is."""

    def __init__(self, path: str, lags: list[float]) -> None:
        super().__init__(path)
        self.lags = lags
        self.heard = 0

    def hear(self, frame: bytes) -> None:
        if stamp := STAMP.search(frame):
            self.lags.append(time.time() * 1_000 - int(stamp[1]))
            self.heard += 1


class Caller(Socket):
    """Sends orders one after another, `depth` of them at a time."""

    def __init__(self, requests: Iterator[bytes], deadline: float, depth: int) -> None:
        super().__init__("/ws-api/v3")
        self.requests, self.deadline, self.depth = requests, deadline, depth
        self.sent: dict[bytes, float] = {}
        self.taken: list[float] = []
        self.refused = 0
        self.ran_out = False
        self.done = asyncio.get_running_loop().create_future()

    async def log_on(self, request: bytes) -> None:
        self.logged_on = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        await self.logged_on

    def begin(self) -> None:
        for _ in range(self.depth):
            self.call()

    def call(self) -> None:
        now = time.perf_counter()
        request = next(self.requests, None) if now < self.deadline else None
        if request is None:
            self.ran_out |= now < self.deadline
            if not self.sent and not self.done.done():
                self.done.set_result(None)
            return
        identity = request[request.index(b'"id":') + 5 :].split(b",", 1)[0]
        self.sent[identity] = now
        self.transport.write(request)

    def hear(self, frame: bytes) -> None:
        identity = frame[frame.index(b'"id":') + 5 :].split(b",", 1)[0]
        if identity == LOGON:
            self.logged_on.set_result(None)
            assert b'"status":200' in frame, frame
            return
        self.taken.append(time.perf_counter() - self.sent.pop(identity))
        self.refused += b'"status":200' not in frame
        self.call()


def write_call(identity: int | str, method: str, params: dict[str, str]) -> bytes:
    request = {"id": identity, "method": method, "params": params}
    return write_frame(json.dumps(request, separators=(",", ":")))


def write_orders(tag: str, count: int) -> Iterator[dict[str, str]]:
    """Yield the parameters of orders that meet nothing and leave nothing, signed but for that."""
    now_ms = time.time_ns() // 1_000_000
    for number in range(count):
        yield {
            "newClientOrderId": f"{tag}-{number}",
            "price": "0.004",
            "quantity": "0.01",
            "recvWindow": "60000",
            "side": "BUY",
            "symbol": "TAOBTC",
            "timeInForce": "IOC",
            "timestamp": str(now_ms),
            "type": "LIMIT",
        }


def prepare_http(key: TradingKey, tag: str, count: int) -> Iterator[bytes]:
    requests = []
    for order in write_orders(tag, count):
        query = "&".join(f"{name}={value}" for name, value in order.items())
        signature = sign(key.secret, query.encode())
        requests.append(
            f"POST /api/v3/order?{query}&signature={signature} HTTP/1.1\r\nHost: x\r\n"
            f"X-MBX-APIKEY: {key.api_key}\r\nContent-Length: 0\r\n\r\n".encode()
        )
    return iter(requests)


def prepare_frames(key: TradingKey, tag: str, count: int) -> Iterator[bytes]:
    frames: list[bytes] = []
    for order in write_orders(tag, count):
        params = {"apiKey": key.api_key, **order}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        params["signature"] = sign(key.secret, payload.encode())
        frames.append(write_call(len(frames), "order.place", params))
    return iter(frames)


def prepare_unsigned(tag: str, count: int) -> Iterator[bytes]:
    """What a connection sends that has logged on."""
    orders = enumerate(write_orders(tag, count))
    return iter([write_call(number, "order.place", order) for number, order in orders])


def prepare_logon(key: TradingKey) -> bytes:
    assert key.private is not None
    params = {"apiKey": key.api_key, "timestamp": str(time.time_ns() // 1_000_000)}
    payload = "&".join(f"{name}={value}" for name, value in params.items())
    params["signature"] = base64.b64encode(key.private.sign(payload.encode())).decode()
    return write_call(json.loads(LOGON), "session.logon", params)


async def load(url: str, keys: list[TradingKey], tag: str) -> Round:
    """Send orders over HTTP, one at a time on each connection."""
    host, _, port = url.removeprefix("http://").partition(":")
    loop = asyncio.get_running_loop()
    requests = [prepare_http(key, tag, ORDERS_MAX // len(keys)) for key in keys]
    work, started = count_work(), time.perf_counter()
    connections = [Connection(sent, started + SECONDS) for sent in requests]
    for connection in connections:
        await loop.create_connection(partial(itself, connection), host, int(port))
    await asyncio.gather(*(connection.done for connection in connections))
    check_supply(connection.ran_out for connection in connections)
    taken = [seconds for connection in connections for seconds in connection.taken]
    refused = sum(connection.refused for connection in connections)
    return summarise(taken, time.perf_counter() - started, refused, work)


def summarise(taken: list[float], elapsed: float, refused: int, work: dict[str, float]) -> Round:
    taken = sorted(taken)
    return Round(
        len(taken) / elapsed,
        statistics.median(taken) * 1_000,
        taken[len(taken) * 99 // 100] * 1_000,
        refused,
        share_work(work, len(taken)),
    )


async def call(url: str, keys: list[TradingKey], tag: str, depth: int, log_on: bool) -> Round:
    """Send orders over WebSocket, `depth` at a time on each connection."""
    count = ORDERS_MAX // len(keys)
    callers = await open_callers(
        url,
        depth,
        [
            prepare_unsigned(tag, count) if log_on else prepare_frames(key, tag, count)
            for key in keys
        ],
    )
    if log_on:
        logons = zip(callers, keys, strict=True)
        await asyncio.gather(*(caller.log_on(prepare_logon(key)) for caller, key in logons))
    work, started = count_work(), time.perf_counter()
    for caller in callers:
        caller.deadline = started + SECONDS
        caller.begin()
    await asyncio.gather(*(caller.done for caller in callers))
    elapsed = time.perf_counter() - started
    check_supply(caller.ran_out for caller in callers)
    for caller in callers:
        caller.transport.close()
    taken = [seconds for caller in callers for seconds in caller.taken]
    return summarise(taken, elapsed, sum(caller.refused for caller in callers), work)


async def open_callers(url: str, depth: int, requests: list[Iterator[bytes]]) -> list[Caller]:
    host, _, port = url.removeprefix("http://").partition(":")
    callers = [Caller(sent, 0.0, depth) for sent in requests]
    loop = asyncio.get_running_loop()
    for caller in callers:
        await loop.create_connection(partial(itself, caller), host, int(port))
    await asyncio.gather(*(caller.open for caller in callers))
    return callers


class FanOut(NamedTuple):
    updates_per_second: float
    median_ms: float
    p99_ms: float
    worst_ms: float
    complete: bool
    """Whether every subscriber heard every update."""


async def fan_out(url: str, key: TradingKey) -> FanOut:
    """Let a thousand listen while the book changes all the time."""
    host, _, port = url.removeprefix("http://").partition(":")
    lags: list[float] = []
    loop = asyncio.get_running_loop()
    subscribers = [Subscriber(f"/ws/{STREAM}", lags) for _ in range(SUBSCRIBERS)]
    for subscriber in tqdm(subscribers, desc="subscribers"):
        await loop.create_connection(partial(itself, subscriber), host, int(port))
    await asyncio.gather(*(subscriber.open for subscriber in subscribers))
    stop = asyncio.Event()
    moving = asyncio.create_task(asyncio.to_thread(move_book, url, key, stop))
    await asyncio.sleep(1)
    lags.clear()
    before = [subscriber.heard for subscriber in subscribers]
    started = time.perf_counter()
    await asyncio.sleep(STREAM_SECONDS)
    elapsed = time.perf_counter() - started
    heard = [one.heard - first for one, first in zip(subscribers, before, strict=True)]
    taken = sorted(lags)
    stop.set()
    await moving
    for subscriber in subscribers:
        subscriber.transport.close()
    return FanOut(
        statistics.median(heard) / elapsed,
        statistics.median(taken),
        taken[len(taken) * 99 // 100],
        taken[-1],
        max(heard) - min(heard) <= 1,  # One may be on its way when the time is up.
    )


def move_book(url: str, key: TradingKey, stop: asyncio.Event) -> None:
    """Place and cancel an order, some thirty times a second."""
    with ExchangeClient(url, key.api_key, key.secret) as client:
        while not stop.is_set():
            order = client.limit_order("BUY", "0.004", "0.01")
            client.cancel(orderId=order["orderId"])
            time.sleep(0.03)


def create_key(public: ExchangeClient, number: int) -> TradingKey:
    key = public.create_key(f"trader-{number}", funded=True)
    return TradingKey(key.api_key, key.secret)


def create_pair(public: ExchangeClient, number: int) -> TradingKey:
    """Open an account whose key is an Ed25519 public key, as `session.logon` wants it."""
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = public.create_key(f"pair-{number}", funded=True, public_key=pem.decode())
    return TradingKey(key.api_key, "", private)


def measure() -> tuple[FanOut, dict[tuple[str, int], list[Round]]]:
    rounds: dict[tuple[str, int], list[Round]] = {}
    with (
        running_postgres() as admin_url,
        running_exchange(make_schema(admin_url, "exchange_service")) as url,
    ):
        with ExchangeClient(url) as public:
            numbers = tqdm(range(ACCOUNTS), desc="accounts")
            keys = [create_key(public, number) for number in numbers]
            pairs = [create_pair(public, number) for number in numbers]
        fanned = uvloop.run(fan_out(url, keys[0]))
        for turn, count in enumerate(tqdm(COUNTS * ROUNDS, desc="orders")):
            ways = {HTTP: load(url, keys[:count], f"h{turn}")}
            for number, (way, (depth, log_on)) in enumerate(SOCKETS.items()):
                some = (pairs if log_on else keys)[:count]
                ways[way] = call(url, some, f"w{turn}-{number}", depth, log_on)
            # Every other round backwards: a machine that drifts is nobody's advantage.
            for way in list(ways)[:: -1 if turn // len(COUNTS) % 2 else 1]:
                rounds.setdefault((way, count), []).append(uvloop.run(ways[way]))
        with ExchangeClient(url) as public:
            audit = public.audit(OPERATOR_TOKEN)
            assert audit.sound, audit.faults
    return fanned, rounds


def compare(rounds: dict[tuple[str, int], list[Round]], way: str, count: int) -> list[float]:
    """Return a way's rate in each round, as multiples of what HTTP's was in the same round."""
    both = zip(rounds[way, count], rounds[HTTP, count], strict=True)
    return sorted(one.per_second / http.per_second for one, http in both)


def judge(rounds: dict[tuple[str, int], list[Round]]) -> str:
    """Say which ways were fast enough, with however many connections, and which were not."""
    met = [
        way
        for way in SOCKETS
        if all(statistics.median(compare(rounds, way, count)) >= RATIO_MIN for count in COUNTS)
    ]
    missed = [way for way in SOCKETS if way not in met]
    named = [" · ".join(ways) or "none" for ways in (met, missed)]
    return f"Met with either number of connections by: {named[0]}.\nMissed by: {named[1]}."


def write(fanned: FanOut, rounds: dict[tuple[str, int], list[Round]]) -> str:
    lines = []
    for count in COUNTS:
        for way in (HTTP, *SOCKETS):
            measured = rounds[way, count]
            rates = sorted(one.per_second for one in measured)
            ratios = compare(rounds, way, count)
            shares = [statistics.median(one.work_us[name] for one in measured) for name in WORKERS]
            lines.append(
                f"| {count} | {way} | {statistics.median(rates):,.0f} | "
                f"{rates[0]:,.0f} – {rates[-1]:,.0f} | "
                f"{statistics.median(one.median_ms for one in measured):.2f} | "
                f"{statistics.median(one.p99_ms for one in measured):.1f} | "
                f"{' + '.join(f'{share:.0f}' for share in shares)} | "
                f"{statistics.median(ratios):.2f} | {ratios[0]:.2f} – {ratios[-1]:.2f} |"
            )
    refused = sum(one.refused for measured in rounds.values() for one in measured)
    table = "\n".join(lines)
    how = "compiled by mypyc (`make compile`)" if find_compiled() else "as plain Python"
    complete = "every one of them heard every update" if fanned.complete else "some missed updates"
    return f"""# Streams, and orders over WebSocket

`make bench NAME=streams`. Exchange, Postgres with its defaults, load generator and all subscribers
share one machine of {os.cpu_count()} cores ({platform.python_implementation()} \
{platform.python_version()}). {LOAD:.1f} programs wanted to run on it when this began: with more
than a few, it is they that are measured.

## Fan-out

{SUBSCRIBERS:,} connections subscribed to `{STREAM}` for {STREAM_SECONDS:.0f} s while the book
changed all the time; {complete}.
The lag is from the event's stamp to its arrival in the subscribers' process.

| updates/s | median lag ms | p99 ms | worst ms | asked for |
| --- | --- | --- | --- | --- |
| {fanned.updates_per_second:.1f} | {fanned.median_ms:.1f} | {fanned.p99_ms:.1f} | \
{fanned.worst_ms:.1f} | 10/s, median < {LAG_MS_MAX} ms |

## Durable orders

Limit orders that meet nothing (IOC), answered after their commit: `POST /api/v3/order`, and
`order.place` on connections that stay open, one request at a time on each, or eight. Each is signed
(HMAC-SHA256, checked by the server), but for those on a connection that has logged on
(`session.logon`, signed once with Ed25519): Binance's API has them unsigned, and so has ours.
The exchange ran {how}. Median of {ROUNDS} rounds of {SECONDS:.0f} s, in which the
ways take turns, in every other round backwards; × HTTP is the median of each round's own ratio.
Refused: {refused}.
The work is processor time per order, in µs: of {", ".join(WORKERS)}.
Afterwards the books are audited.

Asked for: WebSocket at least {RATIO_MIN} × HTTP. {judge(rounds)}
Order, answer and commit cost the same both ways. An HTTP request's signature is over its bytes as
they came; a WebSocket's request is JSON, whose parameters are sorted and written out again for
that, unless the connection has logged on. Answers that are ready together leave in one
write, which is most of what sending costs: it is what eight at a time save.

| connections | by | orders/s | range | median ms | p99 ms | work µs | × HTTP | range |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
{table}
"""


def main() -> None:
    page = write(*measure())
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page)
    print(page)


if __name__ == "__main__":
    main()
