"""kill -9 under load: nothing acknowledged is lost, nothing is done twice."""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from tests.chain_service.conftest import RunningChain, enrich, key, take_out
from tests.chain_service.stores import KillableStores
from tests.conftest import wait_until

from chain_service.client import ChainClient, ChainRefusal

ALICE, BOB, SERVER, VALIDATOR = key("Alice"), key("Bob"), key("server"), key("validator")
AMOUNT_RAO = 1000


class Load:
    """Sends transfers one after another, and remembers those that were acknowledged."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.acknowledged: list[str] = []
        self.failures = 0

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _send(self) -> None:
        arguments = {"receiver": BOB.ss58_address, "amount_rao": AMOUNT_RAO}
        with ChainClient(self._url) as client:
            while not self._stop.is_set():
                try:
                    self.acknowledged.append(client.submit(ALICE, "transfer", arguments))
                except ChainRefusal:
                    self.failures += 1
                    self._stop.wait(0.05)


def prepare(chain: RunningChain) -> str:
    enrich(chain.client, ALICE, SERVER, VALIDATOR)
    take_out(chain.client, ALICE, SERVER, 900_000_000)
    return f"http://127.0.0.1:{chain.port}"


def check_once(chain: RunningChain, load: Load) -> None:
    """Every acknowledged transfer is in exactly one block, the heights have no gap."""
    wait_until(chain.height)
    wait_until(lambda: chain.query("SELECT FROM mempool") == [])
    rows = chain.query("SELECT hash FROM extrinsic WHERE body ->> 'call' = 'transfer'")
    included = [row[0] for row in rows]
    assert load.acknowledged
    assert set(load.acknowledged) <= set(included)
    # One whose acknowledgement was cut off may be there too; but it is paid once, as all are.
    events = chain.query("SELECT FROM event WHERE kind = 'Transferred'")
    assert len(events) == len(included) == len(set(included))
    assert chain.client.account(BOB.ss58_address).free_rao == AMOUNT_RAO * len(included)
    heights = [row[0] for row in chain.query("SELECT height FROM block ORDER BY height")]
    assert heights == list(range(len(heights)))
    sums = chain.query(
        "SELECT (SELECT sum(free_rao) FROM account) + (SELECT sum(stake_rao) FROM neuron) "
        "+ pot_rao = issuance_rao FROM block ORDER BY height DESC LIMIT 1"
    )
    assert sums == [(True,)]


def grown(chain: RunningChain, blocks: int) -> Callable[[], bool]:
    """Say, by what is stored and so without the web process, whether there are more blocks."""
    target = stored_height(chain) + blocks
    return lambda: stored_height(chain) >= target


def stored_height(chain: RunningChain) -> int:
    height: int = chain.query("SELECT max(height) FROM block")[0][0]
    return height


def test_killing_author_and_web_loses_and_doubles_nothing(chain: RunningChain) -> None:
    with Load(prepare(chain)) as load:
        for turn in range(6):
            count = len(load.acknowledged)
            wait_until(lambda count=count: len(load.acknowledged) > count + 3)  # type: ignore[misc]
            name = "author" if turn % 2 == 0 else "web"
            chain.kill(name)
            chain.start_author() if name == "author" else chain.start_web()
            wait_until(grown(chain, 2))
    check_once(chain, load)


def test_losing_connections_loses_and_doubles_nothing(chain: RunningChain) -> None:
    with Load(prepare(chain)) as load:
        for _ in range(4):
            wait_until(grown(chain, 3))
            with suppress(Exception):
                # It ends this very connection too.
                chain.query(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE usename = current_user AND pid <> pg_backend_pid()"
                )
    check_once(chain, load)
    assert "begins again" in chain.log("author")


def test_a_frozen_author_is_replaced_and_fenced_off(chain: RunningChain) -> None:
    chain.start_author("second")
    frozen = chain.processes["author"]
    os.kill(frozen.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: "leading" in chain.log("second"), seconds=40)
        wait_until(grown(chain, 3))
    finally:
        os.kill(frozen.pid, signal.SIGCONT)
    wait_until(lambda: "begins again" in chain.log("author"))
    wait_until(grown(chain, 5))
    heights = [row[0] for row in chain.query("SELECT height FROM block ORDER BY height")]
    assert heights == list(range(len(heights)))
    assert chain.log("author").count('"leading"') == 1
    linked = chain.query(
        "SELECT bool_and(block.parent_hash = parent.block_hash) "
        "FROM block JOIN block AS parent ON parent.height = block.height - 1"
    )
    assert linked == [(True,)]


@pytest.fixture
def stores() -> Iterator[KillableStores]:
    home = Path(tempfile.mkdtemp(prefix="taonet-stores-"))
    home.chmod(0o755)
    stores = KillableStores(home)
    try:
        yield stores
    finally:
        stores.close()
        shutil.rmtree(home)


def test_killing_postgres_and_valkey_loses_and_doubles_nothing(
    stores: KillableStores, tmp_path: Path
) -> None:
    chain = RunningChain(stores.start(), stores.redis_url, tmp_path)
    try:
        chain.start_author()
        chain.start_web()
        chain.wait_ready()
        with Load(prepare(chain)) as load:
            for name in ("valkey", "postgres", "valkey", "postgres"):
                count = len(load.acknowledged)
                wait_until(lambda count=count: len(load.acknowledged) > count + 3)  # type: ignore[misc]
                stores.kill(name)
                wait_until(grown(chain, 2))
        check_once(chain, load)
    finally:
        chain.close()


def test_a_broken_ledger_stops_the_author_loudly(chain: RunningChain) -> None:
    enrich(chain.client, ALICE, SERVER, VALIDATOR)
    take_out(chain.client, ALICE, SERVER, 100_000_000)
    chain.kill("author")
    with psycopg.connect(chain.database_url) as conn:
        conn.execute("UPDATE account SET free_rao = free_rao + 1 WHERE free_rao > 0")
    chain.start_author("deceived")
    assert chain.processes.pop("deceived").wait(20) == 3
    assert "THE LEDGER IS BROKEN" in chain.log("deceived")
