"""
Signed transfers a second, from HTTP to committed blocks: `make bench NAME=chain`.

Author, web process, verifiers, Postgres, Valkey and load generator share this machine. Everything
is signed beforehand; what counts is what blocks hold.
"""

import argparse
import contextlib
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil
import psycopg
from tests.bench.report import tell_build, write_report
from tests.bench.seeding import seed_chain, sender, stranger
from tests.bench.transfers import Load, Sent, sign_transfers
from tests.chain_service.conftest import RunningChain
from tests.chain_service.stores import KillableStores
from tests.conftest import wait_until
from tqdm import tqdm

from chain_service.compiled import HOT

SENDERS = 1_000
WARM_SECONDS = 5
LIMIT_PER_SECOND = 5_000
ROUNDS = ((1_000, 30, 20_000), (100_000, 8, 20_000), (1_000_000, 8, 20_000))
"""Accounts, seconds that are measured, and transfers signed for each second."""


@dataclass(frozen=True)
class Block:
    seconds: float
    """Since the one before."""
    transfers: int
    apply_seconds: float
    """To choose the extrinsics and carry them out, with the state root, and to sign."""


@dataclass(frozen=True)
class Figures:
    accounts: int
    seconds: int
    blocks: list[Block]
    processor_microseconds: dict[str, float]
    """Of each process, per transfer."""
    memory_mib: dict[str, int]
    waited_seconds: list[float]
    """From the acknowledgement of a batch to the time of the block with its last transfer."""

    @property
    def per_second(self) -> float:
        return sum(b.transfers for b in self.blocks) / sum(b.seconds for b in self.blocks)

    @property
    def is_enough(self) -> bool:
        return self.per_second >= LIMIT_PER_SECOND


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, nargs="*", help="only these sizes, and no report")
    chosen = parser.parse_args().accounts
    figures = [measure(*entry) for entry in ROUNDS if not chosen or entry[0] in chosen]
    text = describe(figures)
    print(text)
    if not chosen:
        write_report("chain", text)


def measure(accounts: int, seconds: int, rate: int) -> Figures:
    keypairs = [sender(index) for index in range(SENDERS)]
    senders = [keypair.ss58_address or "" for keypair in keypairs]
    strangers = [stranger(index) for index in range(1, accounts - SENDERS + 1)]
    with running_chain(senders, strangers) as (chain, stores):
        count = (seconds + WARM_SECONDS) * rate
        bodies = sign_transfers(chain.client.head(), keypairs, strangers or senders[::-1], count)
        processes = find_processes(chain, stores)
        before = {name: worked(process) for name, process in processes.items()}
        load = Load(chain.port, bodies, seconds + WARM_SECONDS)
        started = time.time()
        load.start()
        for _ in tqdm(range(seconds + WARM_SECONDS), desc=f"{accounts:,} accounts", unit="s"):
            time.sleep(1)
        sent = load.finish()
        if any(one.ran_out for one in sent):
            raise SystemExit(f"more than {rate:,} transfers were sent a second: sign more of them")
        wait_until(lambda: chain.query("SELECT FROM mempool LIMIT 1") == [], seconds=60)
        spent = {name: worked(process) - before[name] for name, process in processes.items()}
        spent["load generator"] = sum(one.worked_seconds for one in sent)
        memory = {name: resident_mib(process) for name, process in processes.items()}
        return read_figures(chain, accounts, started + WARM_SECONDS, seconds, spent, memory, sent)


@contextlib.contextmanager
def running_chain(
    senders: list[str], strangers: list[str]
) -> Iterator[tuple[RunningChain, KillableStores]]:
    home = Path(tempfile.mkdtemp(prefix="taonet-bench-"))
    home.chmod(0o755)
    (home / "logs").mkdir()
    stores = KillableStores(home)
    try:
        chain = RunningChain(stores.start(), stores.redis_url, home / "logs")
        with contextlib.ExitStack() as stack:
            stack.callback(chain.close, show_logs=False)
            changed = seed_chain(chain, senders, strangers)
            chain.start_author(TAONET_CHAIN_PARAMETERS=json.dumps(changed))
            chain.start_web()
            wait_until(lambda: chain.height() >= 3, seconds=240)
            yield chain, stores
    finally:
        stores.close()
        shutil.rmtree(home)


def find_processes(chain: RunningChain, stores: KillableStores) -> dict[str, psutil.Process]:
    pids = {name: process.pid for name, process in chain.processes.items()} | stores.pids()
    return {name: psutil.Process(pid) for name, pid in pids.items()}


def family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def worked(process: psutil.Process) -> float:
    """Return the processor seconds of a process and its children, ended ones included."""
    total = 0.0
    for one in family(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(one.cpu_times()[:2])
    return total + sum(process.cpu_times()[2:4])


def resident_mib(process: psutil.Process) -> int:
    return int(
        sum(one.memory_info().rss - one.memory_info().shared for one in family(process)) / 2**20
    )


def read_figures(
    chain: RunningChain,
    accounts: int,
    start: float,
    seconds: int,
    spent: dict[str, float],
    memory: dict[str, int],
    sent: list[Sent],
) -> Figures:
    moments = {last: moment for one in sent for moment, last in one.acknowledged}
    with psycopg.connect(chain.database_url) as conn:
        rows = conn.execute(
            "SELECT time_ms / 1000.0::float8, apply_microseconds / 1e6::float8, "
            "(SELECT count(*) FROM extrinsic WHERE height = block.height AND status = 'included') "
            "FROM block WHERE time_ms BETWEEN %s AND %s ORDER BY height",
            (int(start * 1000), int((start + seconds) * 1000)),
        ).fetchall()
        held = conn.execute(
            "SELECT hash, time_ms / 1000.0::float8 FROM extrinsic JOIN block USING (height) "
            "WHERE hash = ANY(%s)",
            (list(moments),),
        ).fetchall()
        [total] = conn.execute(
            "SELECT count(*) FROM extrinsic WHERE status = 'included'"
        ).fetchone() or [0]
    blocks = [Block(row[0] - before[0], row[2], row[1]) for before, row in pairwise(rows)]
    return Figures(
        accounts,
        seconds,
        blocks,
        {name: value / total * 1e6 for name, value in spent.items()},
        memory,
        [moment - moments[last] for last, moment in held],
    )


def describe(figures: list[Figures]) -> str:
    lines = [
        "# The chain under load",
        "",
        f"Signed transfers, posted over HTTP by another process in batches of 500 on two "
        f"connections, verified, executed and committed; {SENDERS:,} accounts send, all may "
        "receive; blocks of 2 s (the preset `box`). Everything runs on the same 2 cores. "
        f"The chain ran {tell_build(HOT)}. `make bench NAME=chain` makes this page.",
        "",
        "| accounts | measured | transfers/s | limit | transfers a block | "
        "applying a block, ms | µs a transfer | acknowledged to block, s |",
        "| ---: | ---: | ---: | --- | --- | --- | ---: | --- |",
    ]
    for entry in figures:
        applied = [block.apply_seconds * 1e3 for block in entry.blocks]
        each = sum(applied) * 1e3 / max(sum(block.transfers for block in entry.blocks), 1)
        lines.append(
            f"| {entry.accounts:,} | {entry.seconds} s | **{entry.per_second:,.0f}** | "
            f"{LIMIT_PER_SECOND:,} ({'met' if entry.is_enough else 'missed'}) | "
            f"{spread([block.transfers for block in entry.blocks], 0)} | {spread(applied, 0)} | "
            f"{each:.1f} | {spread(entry.waited_seconds, 1)} |"
        )
    names = list(figures[0].processor_microseconds)
    lines += [
        "",
        "Medians, with the smallest and the largest. What a transfer costs, in µs of a processor:",
        "",
        f"| accounts | {' | '.join(names)} | all |",
        f"| ---: |{' ---: |' * (len(names) + 1)}",
    ]
    for entry in figures:
        costs = entry.processor_microseconds
        cells = " | ".join(f"{costs[name]:.0f}" for name in names)
        lines.append(f"| {entry.accounts:,} | {cells} | {sum(costs.values()):.0f} |")
    lines += ["", "Memory at the end, MiB, not counting what is shared:", ""]
    lines += [
        f"- {entry.accounts:,} accounts: "
        + ", ".join(f"{name} {mib}" for name, mib in entry.memory_mib.items())
        for entry in figures
    ]
    lines += [
        "",
        "`web` includes the processes that check signatures, `postgres` all its children. Two "
        "cores give 2,000,000 µs a second, which bounds the rate.",
    ]
    return "\n".join(lines)


def spread(values: list[float] | list[int], digits: int) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


if __name__ == "__main__":
    main()
