"""Starting from the journal: rows per second, checked and applied: `make bench NAME=recovery`.

Each start is measured in a process of its own, as every start is: in one that has recovered before,
the state is scattered over what the one before has left of the memory.
"""

import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import psycopg
from tqdm import tqdm

from exchange_service import recovery, repository
from exchange_service.compiled import find_compiled
from exchange_service.domain.commands import Asset, CreditDeposit, OpenAccount
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import Rejected
from exchange_service.domain.journal import GENESIS_HASH, encode_command, seal
from exchange_service.domain.snapshot import calculate_fingerprint, hash_snapshot, write_snapshot
from exchange_service.recovery import Replayed
from exchange_service.repository import Entry, Snapshot

from .engine import ACCOUNTS, as_command, make_flow
from .stores import make_schema, running_postgres

ROWS = 300_000
ROUNDS = 15
"""Odd, and over minutes: a machine that others share gives now half of what it gave before."""
LIMIT_PER_SECOND = 200_000
TAIL = 20_000
PAGE = Path(__file__).parents[2] / "docs/benchmarks/recovery.md"


class Times(NamedTuple):
    rows: int
    from_genesis: list[float]
    from_snapshot: list[float]
    snapshot_bytes: int
    snapshot_seconds: float


def fill(conn: psycopg.Connection) -> tuple[int, Snapshot, str]:
    """Write a journal as the engine would; return length, a late snapshot and the hash."""
    exchange, sealed, snapshot = Exchange(), GENESIS_HASH, None
    entries: list[Entry] = []
    opening = [
        OpenAccount(0, 1_001 + number, f"t{number}", 1_000, 1_000, 10**12)
        for number in range(ACCOUNTS)
    ]
    coins = [
        CreditDeposit(0, 1_001 + number, Asset.TAO, 10**15, number, 0, "5F", "0x")
        for number in range(ACCOUNTS)
    ]
    flow = (as_command(step) for step in make_flow(int(ROWS * 1.1)))
    for command in tqdm((*opening, *coins, *flow), desc="journal"):
        if isinstance(exchange.apply(command)[0], Rejected):
            continue
        payload = encode_command(command)
        sealed = seal(sealed, len(entries) + 1, payload)
        entries.append(Entry(len(entries) + 1, payload, sealed))
        if len(entries) == ROWS - TAIL:
            state = write_snapshot(exchange)
            snapshot = Snapshot(len(entries), sealed, hash_snapshot(state), state)
        if len(entries) == ROWS:
            break
    with conn.cursor() as cursor, cursor.copy("COPY journal FROM STDIN") as copy:
        for entry in entries:
            copy.write_row((entry.sequence, 1, entry.payload.decode(), entry.hash))
    assert snapshot is not None
    return len(entries), snapshot, calculate_fingerprint(exchange)


def measure() -> Times:
    with running_postgres() as admin_url:
        url = make_schema(admin_url, "exchange_service")
        with psycopg.connect(url, autocommit=True) as conn:
            rows, snapshot, fingerprint = fill(conn)
            conn.execute("ANALYZE journal")
            genesis = measure_alone(start_from_genesis, url, fingerprint)
            started = time.perf_counter()
            conn.execute("UPDATE engine SET epoch = 1")
            assert repository.save_snapshot(conn, 1, snapshot)
            saved = time.perf_counter() - started
            late = measure_alone(start_from_snapshot, url, fingerprint)
            return Times(rows, genesis, late, len(snapshot.state), saved)


def measure_alone(start: Callable[[str, str], float], url: str, fingerprint: str) -> list[float]:
    """Return the seconds of several starts, each in a fresh process."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, fresh, max_tasks_per_child=1) as pool:
        rounds = tqdm(range(ROUNDS), desc=start.__name__)
        return [pool.submit(start, url, fingerprint).result() for _ in rounds]


def start_from_genesis(url: str, fingerprint: str) -> float:
    return measure_start(url, fingerprint, lambda _: Replayed(Exchange(), 0, GENESIS_HASH))


def start_from_snapshot(url: str, fingerprint: str) -> float:
    return measure_start(url, fingerprint, recovery.load_snapshot)


def measure_start(
    url: str, fingerprint: str, find_start: Callable[[psycopg.Connection], Replayed]
) -> float:
    """Return the seconds of one start, whose state must have the hash given."""
    with psycopg.connect(url, autocommit=True) as conn:
        started = time.perf_counter()
        with conn.transaction():
            replayed = recovery.replay(conn, find_start(conn))
        taken = time.perf_counter() - started
    assert calculate_fingerprint(replayed.exchange) == fingerprint
    return taken


def write(times: Times) -> str:
    rates = sorted(times.rows / taken for taken in times.from_genesis)
    late = sorted(times.from_snapshot)
    how = "compiled by mypyc (`make compile`)" if find_compiled() else "plain Python"
    return f"""# Recovery

`make bench NAME=recovery`. A journal of {times.rows:,} entries (limit orders, cancellations, market
orders of {ACCOUNTS} accounts) is read from Postgres, which meanwhile computes its chain of hashes
anew and compares it entry by entry; each command is decoded and applied; the state's hash then
equals the one before.
{os.cpu_count()} cores, {platform.python_implementation()} {platform.python_version()}, the engine \
{how}; median of {ROUNDS} rounds, each in a fresh process, as a start is.

| start | median | range | asked for |
| --- | --- | --- | --- |
| from the journal's first entry | {statistics.median(rates):,.0f} entries/s | \
{rates[0]:,.0f} – {rates[-1]:,.0f} | ≥ {LIMIT_PER_SECOND:,} |
| from a snapshot ({times.snapshot_bytes / 1e6:.1f} MB, hashes compared) and {TAIL:,} entries | \
{statistics.median(late):.2f} s | {late[0]:.2f} – {late[-1]:.2f} | – |
"""


def main() -> None:
    page = write(measure())
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page)
    print(page)


if __name__ == "__main__":
    main()
