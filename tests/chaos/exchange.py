"""Kill the exchange and its Postgres under load, again and again: `make chaos-exchange`.

Each round starts the exchange on the record that the round before left, trades with several
accounts on both sides, kills either the engine (SIGKILL) or Postgres (immediate stop) at a random
moment, starts anew and compares: whatever was acknowledged is there, orders, cancellations, trades
deposits and withdrawals; the books add up, the chains of hashes are whole, and the Bitcoin chain,
which lives on, has paid each withdrawal once.
"""

import os
import random
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import psycopg
from tests.bench.stores import Store, make_schema, open_store
from tests.chaos.coins import Coins, running_coins
from tests.conftest import free_port
from tests.exchange.live import OPERATOR_TOKEN
from tests.exchange.memory import Crowd, Memory, recall
from tests.exchange.test_durability import WITH_TEST_DOOR, started
from tqdm import tqdm

from exchange_service import recovery
from exchange_service.client import ExchangeClient
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.journal import GENESIS_HASH
from exchange_service.domain.snapshot import calculate_fingerprint
from exchange_service.keys.schemas import KeyView
from exchange_service.settings import ExchangeSettings

ROUNDS = 50
TRADERS = 6
SECONDS_MAX = 8.0
ORDERS_MAX = 400
SEED = 7
HISTORIES = os.environ.get("TAONET_EXAMPLES", "")
"""How many the hypothesis machine has just lived through: `make chaos-exchange` says so."""
SMALL_TRADES = os.environ.get("TAONET_TEST_TRADES", "")
PAGE = Path(__file__).parents[2] / "docs/benchmarks/exchange-kills.md"


class Round(NamedTuple):
    """What was killed, and what its clients remember."""

    killed: str
    keys: list[KeyView]
    acknowledged: Memory


class Found(NamedTuple):
    """What the next start found of a round."""

    killed: str
    acknowledged: Memory
    lost: Memory
    unacknowledged: int
    """Orders written, but their answers were not heard: at most one for each trader."""
    entries: int
    sound: bool
    agreed: bool
    """The books and the Bitcoin chain."""


class Scene(NamedTuple):
    """What is killed, and what lives on."""

    store: Store
    coins: Coins
    settings: ExchangeSettings


def trade_and_kill(
    scene: Scene, process: "subprocess.Popen[bytes]", url: str, number: int, rng: random.Random
) -> Round:
    """Trade with several accounts until the kill."""
    killed = "engine" if number % 2 else "Postgres"
    crowd = Crowd(url, TRADERS, f"trader-{number}", scene.coins.receiver)
    crowd.trade(rng.randint(10, ORDERS_MAX), SECONDS_MAX)
    if killed == "engine":
        os.kill(process.pid, signal.SIGKILL)
    else:
        scene.store.stop_at_once()
    acknowledged = crowd.remember()
    if killed == "Postgres":
        scene.store.start()
    return Round(killed, crowd.keys, acknowledged)


def compare(scene: Scene, url: str, past: Round) -> Found:
    """Ask an exchange that has just started what it knows of the round before."""
    durable = Memory()
    with ExitStack() as stack:
        public = stack.enter_context(ExchangeClient(url))
        clients = [ExchangeClient(url, key.api_key, key.secret) for key in past.keys]
        for client in clients:
            recall(stack.enter_context(client), durable)
        agreed = scene.coins.agree(public, clients)
        replayed, same = replay(scene, public)
    return Found(
        past.killed,
        past.acknowledged,
        past.acknowledged.without(durable),
        len(durable.without(past.acknowledged).orders),
        replayed.sequence,
        same,
        agreed,
    )


def replay(scene: Scene, public: ExchangeClient) -> tuple[recovery.Replayed, bool]:
    """Replay the whole journal; return whether the books are sound and the engine's are the same.

    From the first entry on, not from the snapshot: the whole chain of hashes.
    """
    with psycopg.connect(scene.settings.database_url, autocommit=True) as conn:
        while True:
            audit = public.audit(OPERATOR_TOKEN)
            with conn.transaction():
                replayed = recovery.replay(conn, recovery.Replayed(Exchange(), 0, GENESIS_HASH))
            # A payment that settles in between is not in both.
            if public.audit(OPERATOR_TOKEN).fingerprint == audit.fingerprint:
                same = calculate_fingerprint(replayed.exchange) == audit.fingerprint
                return replayed, audit.sound and same


def count(memories: list[Memory]) -> str:
    """Return how many orders, cancellations, trades and transfers there are."""
    kinds = (
        sum(len(getattr(memory, kind)) for memory in memories)
        for kind in ("orders", "cancelled", "trades", "transfers")
    )
    return " + ".join(f"{number:,}" for number in kinds)


def write(rounds: list[Found]) -> str:
    lines = []
    for killed in ("engine", "Postgres"):
        some = [one for one in rounds if one.killed == killed]
        lines.append(
            f"| {killed} | {len(some)} | {count([one.acknowledged for one in some])} | "
            f"{count([one.lost for one in some])} | {sum(one.unacknowledged for one in some)} | "
            f"{sum(one.sound for one in some)} of {len(some)} | "
            f"{sum(one.agreed for one in some)} of {len(some)} |"
        )
    return f"""# Killed under load

`make chaos-exchange`, seed {SEED}, {TRADERS} traders at once, {len(rounds)} kills. The traders have
both coins, meet at seven prices and withdraw BTC. Every round goes on with the record that the one
before left. After each kill the exchange is started and audited; the whole journal
({rounds[-1].entries:,} entries after the last kill) is replayed from the first entry: its state
must have the same hash. The engine is killed by SIGKILL, Postgres by an immediate stop. Counted are
orders + cancellations + trades + deposits and withdrawals. Books and chain agree if each withdrawal
is one payment on the Bitcoin chain, no other is there, and the wallet holds what all accounts have.
Only written is what nobody acknowledged, and a client has to ask for by its own order id: at most
one order for each trader.

| killed | times | acknowledged | lost | orders only written | books sound | books and chain agree |
| --- | --- | --- | --- | --- | --- | --- |
{chr(10).join(lines)}
{write_histories()}"""


def write_histories() -> str:
    """Return what ran before the kills, if anything did: it has failed, or there is no page."""
    if not HISTORIES:
        return ""
    return f"""
Before that, {int(HISTORIES):,} random histories of commands were lived through by the engine beside
a model of sixty lines (`test_exchange_machine.py`), and {int(SMALL_TRADES or 0):,} small trades at
odd prices left every satoshi somewhere (`test_06_…`): no difference was found.
"""


def main() -> int:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    rng, past = random.Random(SEED), None
    found: list[Found] = []
    with open_store() as store, running_coins() as coins:
        settings = ExchangeSettings(
            database_url=make_schema(store.url, "exchange_service"),
            redis_url="redis://127.0.0.1:1/0",
            chain_url="",
            bitcoin_url=coins.url,
            exchange_api_secret_file=str(store.home / "api-secret"),
        )
        scene = Scene(store, coins, settings)
        for number in tqdm(range(kills + 1), desc="starts"):
            port = free_port()
            with started(settings, port, WITH_TEST_DOOR) as process:
                url = f"http://127.0.0.1:{port}"
                if past is not None:
                    found.append(compare(scene, url, past))
                    PAGE.parent.mkdir(parents=True, exist_ok=True)
                    PAGE.write_text(write(found))
                if number < kills:
                    past = trade_and_kill(scene, process, url, number, rng)
    sys.stdout.write(write(found))
    return 1 if any(len(one.lost) or not (one.sound and one.agreed) for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
