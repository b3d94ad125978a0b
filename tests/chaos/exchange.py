"""Kill the exchange and its Postgres under load, again and again: `make chaos-exchange`.

Each round starts the exchange on the record that the round before left, trades with several
accounts, kills either the engine (SIGKILL) or Postgres (immediate stop) at a random moment, starts
anew and compares: whatever was acknowledged is there, the books add up, the chains are whole.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import psycopg
from tests.bench.stores import Store, make_schema, open_store
from tests.conftest import free_port
from tests.exchange.live import OPERATOR_TOKEN
from tests.exchange.test_durability import started
from tqdm import tqdm

from exchange_service import recovery
from exchange_service.client import ExchangeClient, ExchangeRefusal, ExchangeUnavailable
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.journal import GENESIS_HASH
from exchange_service.domain.snapshot import calculate_fingerprint
from exchange_service.keys.schemas import KeyView
from exchange_service.settings import ExchangeSettings

ROUNDS = 50
TRADERS = 6
SECONDS_MAX = 8.0
ORDERS_MAX = 180
SEED = 7
PAGE = Path(__file__).parents[2] / "docs/benchmarks/exchange-kills.md"


class Round(NamedTuple):
    """What was killed, and what its clients remember."""

    killed: str
    keys: list[KeyView]
    acknowledged: set[int]


class Found(NamedTuple):
    """What the next start found of a round."""

    killed: str
    acknowledged: int
    lost: int
    unacknowledged: int
    """Written, but the answer was not heard: at most one for each trader."""
    entries: int
    sound: bool


def trade_and_kill(
    store: Store, process: "subprocess.Popen[bytes]", url: str, number: int, rng: random.Random
) -> Round:
    """Trade with several accounts until the kill."""
    killed, acknowledged = "engine" if number % 2 else "Postgres", set[int]()
    with ExchangeClient(url) as public:
        names = [f"trader-{number}-{trader}" for trader in range(TRADERS)]
        keys = [public.create_key(name, funded=True) for name in names]
    threads = [
        threading.Thread(target=trade_until_cut, args=(url, key, acknowledged)) for key in keys
    ]
    for thread in threads:
        thread.start()
    wanted, deadline = rng.randint(10, ORDERS_MAX), time.monotonic() + SECONDS_MAX
    while len(acknowledged) < wanted and time.monotonic() < deadline:
        time.sleep(0.002)
    if killed == "engine":
        os.kill(process.pid, signal.SIGKILL)
    else:
        store.stop_at_once()
    for thread in threads:
        thread.join()
    if killed == "Postgres":
        store.start()
    return Round(killed, keys, acknowledged)


def trade_until_cut(url: str, key: KeyView, acknowledged: set[int]) -> None:
    """Place, cancel and trade; remember what was acknowledged."""
    with (
        contextlib.suppress(ExchangeUnavailable, ExchangeRefusal),
        ExchangeClient(url, key.api_key, key.secret) as client,
    ):
        for count in range(ORDERS_MAX):
            price = f"0.00{4000 + count % 7}"
            order = client.limit_order("BUY", price, "0.01")
            acknowledged.add(order["orderId"])
            if count % 3 == 0:
                client.cancel(orderId=order["orderId"])


def compare(settings: ExchangeSettings, url: str, past: Round) -> Found:
    """Ask an exchange that has just started what it knows of the round before."""
    with ExchangeClient(url) as public:
        audit = public.audit(OPERATOR_TOKEN)
    durable: set[int] = set()
    for key in past.keys:
        with ExchangeClient(url, key.api_key, key.secret) as client:
            durable |= {order["orderId"] for order in client.all_orders(limit=1_000)}
    with psycopg.connect(settings.database_url, autocommit=True) as conn, conn.transaction():
        # From the first entry on, not from the snapshot: the whole chain, and the same state.
        replayed = recovery.replay(conn, recovery.Replayed(Exchange(), 0, GENESIS_HASH))
    same = calculate_fingerprint(replayed.exchange) == audit.fingerprint
    return Found(
        past.killed,
        len(past.acknowledged),
        len(past.acknowledged - durable),
        len(durable - past.acknowledged),
        replayed.sequence,
        audit.sound and same,
    )


def write(rounds: list[Found]) -> str:
    lines = []
    for killed in ("engine", "Postgres"):
        some = [one for one in rounds if one.killed == killed]
        lines.append(
            f"| {killed} | {len(some)} | {sum(one.acknowledged for one in some):,} | "
            f"{sum(one.lost for one in some)} | {sum(one.unacknowledged for one in some)} | "
            f"{sum(one.sound for one in some)} of {len(some)} |"
        )
    return f"""# Killed under load

`make chaos-exchange`, seed {SEED}, {TRADERS} traders at once, {len(rounds)} kills. Every round goes
on with the record that the one before left. After each kill the exchange is started and audited;
the whole journal ({rounds[-1].entries:,} entries after the last kill) is replayed from the
first entry: its state must have the same hash. The engine is killed by SIGKILL, Postgres by an
immediate stop. Written but not acknowledged is what a client has to ask for by its own order id: at
most one order for each trader.

| killed | times | acknowledged | lost | written, not acknowledged | books sound |
| --- | --- | --- | --- | --- | --- |
{chr(10).join(lines)}
"""


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    rng, past = random.Random(SEED), None
    found: list[Found] = []
    with open_store() as store:
        settings = ExchangeSettings(
            database_url=make_schema(store.url, "exchange_service"),
            redis_url="redis://127.0.0.1:1/0",
            chain_url="",
            exchange_api_secret_file=str(store.home / "api-secret"),
        )
        for number in tqdm(range(count + 1), desc="starts"):
            port = free_port()
            with started(settings, port) as process:
                url = f"http://127.0.0.1:{port}"
                if past is not None:
                    found.append(compare(settings, url, past))
                    PAGE.parent.mkdir(parents=True, exist_ok=True)
                    PAGE.write_text(write(found))
                if number < count:
                    past = trade_and_kill(store, process, url, number, rng)
    sys.stdout.write(write(found))
    return 1 if any(one.lost or not one.sound for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
