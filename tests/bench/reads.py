"""
How long the chain's reads take at 10^6 blocks and 4096 neurons: `make bench NAME=reads`.

The blocks are rows made by Postgres, each with one event; nobody signed them. What is read from
them costs what it would cost from true ones.
"""

import contextlib
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import httpx
import psycopg
from tests.bench.report import write_report
from tests.bench.seeding import seed_chain, sender, stranger
from tests.chain_service.conftest import RunningChain
from tests.chain_service.stores import KillableStores
from tests.conftest import wait_until
from tqdm import tqdm

BLOCKS = 1_000_000
NEURONS = 4096
RUNS = 15
PATHS = {
    "the head": "/head",
    "a block, in the middle": f"/blocks/{BLOCKS // 2}",
    "100 blocks, from the start": "/blocks?from=2&limit=100",
    "100 blocks, from the end": f"/blocks?from={BLOCKS - 100}&limit=100",
    "events of 1,000 blocks, one account's": f"/events?from={BLOCKS // 2}&account={{account}}",
    "supply, in the middle": f"/supply?at={BLOCKS // 2}",
    "an account": "/accounts/{account}",
    "the metagraph": "/metagraph",
    "a neuron": f"/neurons/{NEURONS - 1}",
}


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="taonet-bench-"))
    home.chmod(0o755)
    (home / "logs").mkdir()
    stores = KillableStores(home)
    try:
        chain = RunningChain(stores.start(), stores.redis_url, home / "logs")
        with contextlib.ExitStack() as stack:
            stack.callback(chain.close, show_logs=False)
            account = sender(1).ss58_address or ""
            seed_chain(chain, [account], [])
            fill(chain.database_url, account)
            chain.start_web()
            wait_until(lambda: chain.height() == BLOCKS, seconds=120)
            text = describe(measure(chain.port, account))
    finally:
        stores.close()
        shutil.rmtree(home)
    print(text)
    write_report("reads", text)


def fill(database_url: str, account: str) -> None:
    hotkeys = [stranger(index) for index in range(1, NEURONS + 1)]
    with psycopg.connect(database_url) as conn:
        conn.execute("SET statement_timeout = 0")
        conn.execute(
            "INSERT INTO block SELECT n, lpad(to_hex(n), 64, '0'), lpad(to_hex(n - 1), 64, '0'), "
            "n::bigint * 12000, extrinsics_root, state_root, issuance_rao, free_rao, stake_rao, "
            "pot_rao, 1000, author, signature FROM block, generate_series(2, %s) AS n "
            "WHERE height = 1",
            (BLOCKS,),
        )
        conn.execute(
            "INSERT INTO event SELECT n, 0, 0, 'Transferred', json_build_object('sender', "
            "%(account)s::text, 'receiver', %(account)s::text, 'amount_rao', '1'), "
            "account_tag(%(account)s) "
            "FROM generate_series(2, %(last)s) AS n",
            {"account": account, "last": BLOCKS},
        )
        conn.execute(
            "INSERT INTO neuron (uid, hotkey, coldkey, registered_block, last_update_block, name, "
            "ip, port, stake_rao, active, rank, trust, consensus, incentive, dividends, "
            "emission_rao, leaf_hash, priority) SELECT n - 1, (%(hotkeys)s::text[])[n], "
            "%(account)s, 1, 1, 'oak', '10.0.0.1', 8091, 10^9 * n, true, n * 10^15, n * 10^15, "
            "n * 10^15, n * 10^15, n * 10^15, n, '', 0 FROM generate_series(1, %(count)s) AS n",
            {"hotkeys": hotkeys, "account": account, "count": NEURONS},
        )
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("SET statement_timeout = 0")
        conn.execute("VACUUM ANALYZE")


def measure(port: int, account: str) -> dict[str, tuple[list[float], int]]:
    """Return for each read its times in ms, and how long the answer is in bytes."""
    found = {}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        for name, path in tqdm(PATHS.items(), desc="reads"):
            times, length = [], 0
            for _ in range(RUNS + 1):
                started = time.perf_counter()
                answer = http.get(path.format(account=account)).raise_for_status()
                times.append((time.perf_counter() - started) * 1e3)
                length = len(answer.content)
            found[name] = (times[1:], length)
    return found


def describe(found: dict[str, tuple[list[float], int]]) -> str:
    lines = [
        "# Reading a long chain",
        "",
        f"{BLOCKS:,} blocks with an event each, {NEURONS:,} neurons; over HTTP, one after another; "
        f"{RUNS} times after one that isn't counted; 2 cores. `make bench NAME=reads` makes this "
        "page.",
        "",
        "| read | median, ms | smallest to largest | answer, KB |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, (times, length) in found.items():
        lines.append(
            f"| {name} | **{statistics.median(times):.1f}** | {min(times):.1f} to "
            f"{max(times):.1f} | {length / 1000:,.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
