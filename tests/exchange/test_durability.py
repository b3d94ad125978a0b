"""Nothing acknowledged is ever lost, and nobody writes beside the one engine."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.errors import RaiseException
from tests.conftest import wait_until
from tests.exchange.live import OPERATOR_TOKEN
from tests.exchange.memory import Crowd, Memory, recall

from exchange_service import engine, recovery
from exchange_service.client import ExchangeClient, ExchangeRefusal
from exchange_service.settings import ExchangeSettings

KILLED_AFTER_ORDERS = 300
TRADERS = 6
WITH_TEST_DOOR = "tests.exchange.live_app:create_app"


def engine_sessions(conn: Any) -> list[int]:
    """The sessions that hold an advisory lock of this role: the engine's."""
    rows = conn.execute(
        "SELECT DISTINCT l.pid FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)"
        " WHERE l.locktype = 'advisory' AND a.usename = current_user"
    ).fetchall()
    return [row[0] for row in rows]


def test_a_second_engine_refuses_to_start(
    box: Any, exchange_settings: ExchangeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "LOCK_WAIT_SECONDS", 0.3)
    with (
        psycopg.connect(exchange_settings.database_url, autocommit=True) as conn,
        pytest.raises(recovery.CannotStart, match="another exchange engine is running"),
    ):
        recovery.recover(conn)
    assert box.trader("ann").limit_order("BUY", "0.004", "1")["status"] == "NEW"


def test_an_engine_of_an_older_epoch_cannot_commit(
    box: Any, exchange_settings: ExchangeSettings
) -> None:
    ann = box.trader("ann")
    with psycopg.connect(exchange_settings.database_url, autocommit=True) as conn:
        conn.execute("UPDATE engine SET epoch = epoch + 1")
    with pytest.raises(ExchangeRefusal, match="-1007: Timeout waiting for response"):
        ann.limit_order("BUY", "0.004", "1")
    assert box.http.get("/readyz").status_code == 503


def test_a_failed_commit_stops_the_engine_and_loses_nothing(
    start_box: Any, exchange_settings: ExchangeSettings
) -> None:
    with start_box() as box:
        ann = box.trader("ann")
        kept = ann.limit_order("BUY", "0.004", "1")["orderId"]
        before = box.audit().fingerprint
        with psycopg.connect(exchange_settings.database_url, autocommit=True) as conn:
            for pid in engine_sessions(conn):
                conn.execute("SELECT pg_terminate_backend(%s)", (pid,))
        with pytest.raises(ExchangeRefusal) as refusal:
            ann.limit_order("BUY", "0.003", "1")
        assert (refusal.value.status, refusal.value.code) == (504, "-1007")
        with pytest.raises(ExchangeRefusal, match="-1007"):
            ann.limit_order("BUY", "0.003", "1")
        assert box.failures == ["engine"]
        assert box.http.get("/readyz").status_code == 503

    with start_box() as box:
        ann._http = box.http
        assert before == box.audit().fingerprint
        assert [kept] == [order["orderId"] for order in ann.open_orders()]


def test_a_stop_is_heard_however_much_waits(
    start_box: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_box() as box:
        monkeypatch.setattr(engine, "QUEUE_MAX", 0)
        with pytest.raises(ExchangeRefusal, match="the queue is full"):
            box.trader("ann")
        box.http.app.state.engine.fail("CHAINS: the audit has found a fault")
        wait_until(lambda: box.failures == ["engine"])
        assert box.http.get("/readyz").status_code == 503


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        ("UPDATE balance SET free_sat = free_sat - 1 WHERE account_id = 1001", "account 1001"),
        ("INSERT INTO balance VALUES (5000, 1, 0, 0, 0)", "does not know"),
        (
            "ALTER TABLE journal DISABLE TRIGGER USER; DELETE FROM journal WHERE sequence = 2",
            "breaks at entry 2",
        ),
        (
            "ALTER TABLE journal DISABLE TRIGGER USER;"
            " UPDATE journal SET payload = replace(payload, '400000', '400100')",
            "breaks at entry 2",
        ),
    ],
)
def test_a_record_that_contradicts_itself_is_not_built_upon(
    start_box: Any, exchange_settings: ExchangeSettings, harm: str, complaint: str
) -> None:
    with start_box() as box:
        ann = box.trader("ann")
        ann.limit_order("BUY", "0.004", "1")
        ann.limit_order("BUY", "0.0041", "1")
    with psycopg.connect(exchange_settings.database_url, autocommit=True) as conn:
        conn.execute(harm.encode())
    with pytest.raises(recovery.CannotStart, match=complaint), start_box():
        pass


@pytest.mark.parametrize("table", ["journal", "transfer", "trade"])
@pytest.mark.parametrize("verb", ["DELETE FROM {}", "TRUNCATE {}"])
def test_what_is_written_is_written(
    box: Any, exchange_settings: ExchangeSettings, table: str, verb: str
) -> None:
    box.trader("ann")
    with (
        psycopg.connect(exchange_settings.database_url) as conn,
        pytest.raises(RaiseException, match="only grows"),
    ):
        conn.execute(verb.format(table).encode())


def test_kill_9_under_load_loses_nothing_acknowledged(
    start_box: Any, exchange_settings: ExchangeSettings, free_port: int
) -> None:
    with started(exchange_settings, free_port, WITH_TEST_DOOR) as process:
        crowd = Crowd(f"http://127.0.0.1:{free_port}", TRADERS, "trader")
        crowd.trade(KILLED_AFTER_ORDERS)
        os.kill(process.pid, signal.SIGKILL)
        acknowledged = crowd.remember()

    with start_box() as box:
        audit = box.audit()
        assert audit.sound, audit.faults
        durable = Memory()
        for key in crowd.keys:
            recall(box.client(key.api_key, key.secret), durable)
        assert len(acknowledged.orders) >= KILLED_AFTER_ORDERS
        assert min(len(acknowledged.trades), len(acknowledged.cancelled)) > 10
        assert acknowledged.without(durable) == Memory()
        # Written and never acknowledged: at most what each trader had on its way.
        assert len(durable.orders - acknowledged.orders) <= TRADERS


@contextmanager
def started(
    settings: ExchangeSettings, port: int, factory: str = "exchange_service.app:create_app"
) -> Iterator["subprocess.Popen[bytes]"]:
    """The exchange as a process of its own."""
    environment = os.environ | {
        "TAONET_DATABASE_URL": settings.database_url,
        "TAONET_REDIS_URL": settings.redis_url,
        "TAONET_CHAIN_URL": "",
        "TAONET_EXCHANGE_OPERATOR_TOKEN": OPERATOR_TOKEN,
        "TAONET_BITCOIN_URL": settings.bitcoin_url,
        "TAONET_EXCHANGE_API_SECRET_FILE": settings.exchange_api_secret_file,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    arguments = ["uvicorn", "--factory", factory, "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments, "--log-level", "warning", "--no-access-log"],
        env=environment,
    )
    try:
        with ExchangeClient(f"http://127.0.0.1:{port}") as client:
            wait_until_answering(client)
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until_answering(client: ExchangeClient) -> None:
    for _ in range(600):
        try:
            client.depth()
            return
        except ExchangeRefusal:
            threading.Event().wait(0.1)
    raise TimeoutError("the exchange does not start")
