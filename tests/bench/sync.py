"""
How fast a chain is checked and executed again: `python -m tests.bench.sync`.

In memory (`taonet chain verify`) and into a real Postgres (a follower), every signature checked, or
none of them because the last block is trusted; then what a block costs at 10^3, 10^5 and 10^6
accounts. Writes docs/benchmarks/sync.md.
"""

import gc
import os
import random
import resource
import signal
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
from tests.bench.report import tell_build, write_report
from tests.bench.sync_chain import FUNDS_RAO, PARAMETERS, SealedChain, make_chain, make_empty_chain
from tests.conftest import free_port, running, wait_until

from chain_service.audit import audit_chain
from chain_service.compiled import HOT
from chain_service.domain.blocks import Order, apply_block
from chain_service.domain.headers import NO_PARENT, Header
from chain_service.domain.parameters import ChainParameters
from chain_service.domain.state import State, plant_tree
from chain_service.domain.values import Account, Counters
from chain_service.follower import BATCH_EXTRINSICS, Follower
from chain_service.ledger_repository import try_to_lead
from chain_service.replay import start_replay, without_collector
from chain_service.sealed import (
    NONE_TRUSTED,
    WORKERS,
    SealedBlock,
    TrustedBlock,
    check_chunks,
    cut_chunks,
)
from taonet.kit import db
from taonet.local.postgres import postgres_url, prepare_postgres

RUNS = 9
"""Odd, and over minutes: a machine that others share gives now half of what it gave before."""
TRANSFER_BLOCKS, TRANSFERS, ACCOUNTS = 60, 1000, 1000
EMPTY_BLOCKS = 3_000
SIZES = (1_000, 100_000, 1_000_000)
BLOCKS_PER_SIZE = 9


class Table:
    """A table, shown row by row as it comes."""

    def __init__(self, *titles: str) -> None:
        self._lines: list[str] = []
        self.add(*titles)
        self.add("---", *["---:"] * (len(titles) - 1))

    def __str__(self) -> str:
        return "\n".join(self._lines)

    def add(self, *cells: str) -> None:
        self._lines.append(f"| {' | '.join(cells)} |")
        print(self._lines[-1], flush=True)

    def rate(self, what: str, count: int, run: Callable[[], float], limit: int | None) -> None:
        """Time a run some times, after one that is not counted; tell how many a second."""
        run()
        rates, worked = [], []
        for _ in range(RUNS):
            before = processor_seconds()
            rates.append(count / run())
            worked.append((processor_seconds() - before) / count * 1e6)
        spread = f"{min(rates):,.0f} … {max(rates):,.0f}"
        each, median = f"{statistics.median(worked):.0f}", statistics.median(rates)
        self.add(what, f"{median:,.0f}", spread, judge(median, limit), each)


def judge(rate: float, limit: int | None) -> str:
    if limit is None:
        return ""
    return f"{limit:,} ({'met' if rate >= limit else 'missed'})"


def processor_seconds() -> float:
    """Return what this process and those it started, but not Postgres, have worked so far."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def timed(work: Callable[[], object]) -> float:
    gc.collect()
    started = time.perf_counter()
    with without_collector():
        work()
    return time.perf_counter() - started


def check_all(chain: SealedChain, trusted: TrustedBlock = NONE_TRUSTED) -> None:
    blocks = check_chunks(cut_chunks(chain.lines), WORKERS, trusted)
    audit = audit_chain(blocks)
    assert audit.problem is None
    assert audit.state_root == chain.head.state_root


def check_signatures(chain: SealedChain) -> list[SealedBlock]:
    return list(check_chunks(cut_chunks(chain.lines), workers=0))


def execute_all(blocks: list[SealedBlock]) -> None:
    replay, _ = start_replay(blocks[0])
    for sealed in blocks[1:]:
        replay.apply(sealed)


@contextmanager
def new_schema() -> Iterator[Callable[[], str]]:
    """Start a Postgres with the embedded default's settings; each call returns a new schema."""
    with tempfile.TemporaryDirectory(prefix="taonet-sync-") as folder:
        Path(folder).chmod(0o755)
        port, numbers = free_port(), iter(range(100))
        with running(prepare_postgres(Path(folder), port, "x"), signal.SIGINT):
            url = postgres_url(port, "x")
            wait_until(lambda: psycopg.connect(url).close())

            def make() -> str:
                schema = db.provision(url, f"sync_{next(numbers)}", "x")
                db.migrate(schema, "chain_service")
                return schema

            yield make


def follow_all(chain: SealedChain, schema: str, trusted: TrustedBlock = NONE_TRUSTED) -> float:
    with psycopg.connect(schema, autocommit=True) as conn:
        assert try_to_lead(conn, 10)
        follower = Follower(conn)
        blocks = check_chunks(cut_chunks(chain.lines), WORKERS, trusted)
        seconds = timed(lambda: follower.take(blocks, threading.Event()))
        assert follower.height == chain.head.height
        return seconds


def fill_chain(count: int) -> tuple[State, Header, ChainParameters]:
    """Return a chain at block 1 that has so many funded accounts; its tree is not planted."""
    funds_rao = count * FUNDS_RAO
    parameters = replace(PARAMETERS, block_reward_rao=2 * funds_rao)
    state = State()
    state.accounts.update((name(slot), Account(FUNDS_RAO, 0, slot)) for slot in range(count))
    state.counters = Counters(
        height=1, free_rao=funds_rao, pot_rao=funds_rao, account_count=count, difficulty=1
    )
    return state, Header(1, NO_PARENT, 0, NO_PARENT, NO_PARENT, parameters.author), parameters


def name(slot: int) -> str:
    return f"5{slot:047d}"


def measure_size(count: int) -> tuple[str, ...]:
    """Time an empty block and one of 1,000 transfers between any of so many accounts."""
    state, head, parameters = fill_chain(count)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    state.tree = plant_tree(state)
    planting = time.process_time() - started
    tree_mb = sum(map(len, state.tree.accounts._levels)) / 2**20
    rng, nonces = random.Random(1), Counter[str]()
    empty: list[float] = []
    full: list[float] = []
    for turn in range(2 * BLOCKS_PER_SIZE):
        transfers = 0 if turn < BLOCKS_PER_SIZE else TRANSFERS
        orders = [order(rng, count, nonces) for _ in range(transfers)]
        started = time.process_time()
        block = apply_block(state, head, 0, orders, parameters)
        state.absorb(block.layer)
        (full if orders else empty).append((time.process_time() - started) * 1000)
        head = block.header
        assert not any(outcome.error for outcome in block.outcomes)
    return (
        f"{count:,}",
        f"{statistics.median(empty):.3f}",
        f"{statistics.median(full):.1f}",
        f"{min(full):.1f} … {max(full):.1f}",
        f"{planting:.2f}",
        f"{tree_mb:.0f}",
        f"{before / 1024:,.0f}",
    )


def order(rng: random.Random, count: int, nonces: "Counter[str]") -> Order:
    sender, receiver = (name(slot) for slot in rng.sample(range(count), 2))
    nonce = nonces[sender]
    nonces[sender] += 1
    arguments = {"receiver": receiver, "amount_rao": 1000}
    digest = f"{rng.getrandbits(256):064x}"
    return Order(digest, sender, nonce, 10**9, 0, "transfer", arguments, 300)


def measure_length(chain: SealedChain) -> tuple[str, str]:
    """Return the milliseconds of an empty block in the first and in the last tenth of a chain."""
    blocks = check_signatures(chain)
    replay, _ = start_replay(blocks[0])
    taken = []
    for sealed in blocks[1:]:
        started = time.process_time()
        replay.apply(sealed)
        taken.append((time.process_time() - started) * 1000)
    tenth = len(taken) // 10
    first, last = statistics.median(taken[:tenth]), statistics.median(taken[-tenth:])
    return f"{first:.3f}", f"{last:.3f}"


def measure_rates(full: SealedChain, empty: SealedChain) -> Table:
    transfers = count_transfers(full)
    table = Table("what", "median /s", "spread", "limit /s", "processor, µs each")

    def rate(what: str, count: int, work: Callable[[], object], limit: int | None = None) -> None:
        table.rate(what, count, lambda: timed(work), limit)

    trusted = TrustedBlock(full.head.height, full.head.block_hash)
    checked, checked_empty = check_signatures(full), check_signatures(empty)
    rate("transfers: signatures, 1 process", transfers, lambda: check_signatures(full))
    rate("transfers: execution and roots, 1 process", transfers, lambda: execute_all(checked))
    rate("transfers: verify", transfers, lambda: check_all(full), 20_000)
    rate("transfers: verify, trusted block", transfers, lambda: check_all(full, trusted), 20_000)
    rate("empty blocks: execution, 1 process", EMPTY_BLOCKS, lambda: execute_all(checked_empty))
    rate("empty blocks: verify, all of it", EMPTY_BLOCKS, lambda: check_all(empty), 1_000)
    with new_schema() as make:
        table.rate("transfers: follower", transfers, lambda: follow_all(full, make()), 20_000)
        table.rate(
            "transfers: follower, trusted block",
            transfers,
            lambda: follow_all(full, make(), trusted),
            20_000,
        )
        table.rate("empty blocks: follower", EMPTY_BLOCKS, lambda: follow_all(empty, make()), 1_000)
    return table


def count_transfers(chain: SealedChain) -> int:
    return sum(line.count(b'"transfer"') for line in chain.lines)


def measure_sizes() -> Table:
    titles = ("accounts", "empty block, ms", "1,000 transfers, ms", "spread")
    table = Table(*titles, "tree planted, s", "tree, MB", "process, MB")
    for count in SIZES:
        with without_collector():
            table.add(*measure_size(count))
    return table


def main() -> None:
    load = os.getloadavg()[0]
    sizes = measure_sizes()
    full = make_chain(ACCOUNTS, TRANSFER_BLOCKS, TRANSFERS)
    empty = make_empty_chain(EMPTY_BLOCKS)
    rates = measure_rates(full, empty)
    first, last = measure_length(empty)
    transfers = count_transfers(full)
    told = {
        "transfers": transfers,
        "empty": EMPTY_BLOCKS,
        "runs": RUNS,
        "load": load,
        "build": tell_build(HOT),
        "batch": BATCH_EXTRINSICS,
        "first": first,
        "last": last,
    }
    write_report("sync", PAGE.format(rates=rates, sizes=sizes, **told))


PAGE = """\
# Checking a chain again

`make bench NAME=sync` on 2 cores, everything on the one machine, whose load was {load:.1f} as the
run began (0 is idle; at 20, ten wait for each core). The chain ran
{build}. {transfers:,} signed transfers in blocks of 1,000 between
1,000 accounts, and {empty:,} blocks without any; medians of {runs} runs. *Verify* is: reading
lines, checking every signature in 2 processes, executing, hashing, comparing every root. A
follower also writes blocks, extrinsics, events and state by COPY, in transactions of {batch:,}
extrinsics, one of which is written as the next is executed; Postgres shares the 2 cores. With a
*trusted block*, here the last, signatures are left out and all else is done (decisions/0064);
they take most of the time (decisions/0020 compares libraries). *Processor* is what our processes
worked for each, without Postgres, and depends little on what else the machine does: 100 µs lets two
cores that do nothing else handle 20,000 a second.

{rates}

What a block costs where the chain has so many accounts, any of which may pay any other; in memory,
without signatures; the processor's time, medians of 9 blocks:

{sizes}

Nothing in a block looks at all accounts: the time of an empty block stays the same, and that of a
full one grows with the depth of the tree (from 3 to 5 levels), with what fewer accounts share, and
with memory that no longer fits the processor's caches. *Tree planted* is the start: every account
hashed once. Nor does a block look at those before it: the median of an empty block is {first} ms in
the first tenth of the {empty:,}, {last} ms in the last.
"""

if __name__ == "__main__":
    main()
