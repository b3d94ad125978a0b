"""Failure modes of markets that need the running service, by their numbers (FAILURE_MODES.md)."""

import os
import signal
from concurrent.futures import Future, wait
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import wait_until

from exchange_service import engine as engine_module
from exchange_service import recovery
from exchange_service.client import ExchangeClient, ExchangeRefusal
from exchange_service.domain.commands import Asset, RequestWithdrawal
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import Rejected
from exchange_service.domain.journal import GENESIS_HASH
from exchange_service.domain.snapshot import calculate_fingerprint
from exchange_service.settings import ExchangeSettings

from .test_durability import started

HOSTILE = st.one_of(
    st.sampled_from(
        ["1e-9", "1e400", "NaN", "inf", "-1", "+1", "١٢", "0x10", "1_000", "", " 1", "1.", ".5"]
    ),
    st.integers(-(2**80), 2**80).map(str),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.text(max_size=40),
)
NAMES = ("quantity", "price", "stopPrice", "icebergQty", "quoteOrderQty", "recvWindow", "orderId")


def test_01_two_hundred_at_once_cannot_take_the_same_coins(box: Any) -> None:
    ann = box.trader("ann", tao=5)
    account_id = 1001
    all_of_it = RequestWithdrawal(0, 0, account_id, Asset.TAO, 5 * 10**9, 10**6, "5F", "")
    answers: list[Future[list[Any]]] = [box.engine.submit(all_of_it) for _ in range(200)]
    wait(answers, timeout=30)
    taken = [one.result() for one in answers if not isinstance(one.result()[0], Rejected)]
    assert len(taken) == 1
    assert ann.balances()["TAO"][0] in ("0.000000000", 0, "0")
    assert box.audit().sound


def test_12_a_start_from_a_snapshot_is_the_same_as_from_the_beginning(
    start_box: Any, exchange_settings: ExchangeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "SNAPSHOT_ENTRIES", 8)
    with start_box() as box:
        ann, ben = box.trader("ann", tao=9), box.trader("ben", tao=9)
        for step in range(20):
            ann.limit_order("BUY", f"0.00{4000 + step}", "0.1")
            ben.limit_order("SELL", f"0.00{4000 + step}", "0.1" if step % 5 else "0.09")
        fingerprint = box.audit().fingerprint
    with psycopg.connect(exchange_settings.database_url, autocommit=True) as conn:
        with conn.transaction():
            late = recovery.load_snapshot(conn)
            assert late.sequence > 8
            from_snapshot = recovery.replay(conn, late)
        with conn.transaction():
            empty = recovery.Replayed(Exchange(), 0, GENESIS_HASH)
            from_genesis = recovery.replay(conn, empty)
        same = calculate_fingerprint
        assert same(from_snapshot.exchange) == same(from_genesis.exchange) == fingerprint
        conn.execute("UPDATE snapshot SET state = state || ' '::bytea")
    with pytest.raises(recovery.CannotStart, match="not what was written"), start_box():
        pass


def test_12_a_frozen_engine_is_fenced_and_another_takes_over(
    start_box: Any,
    exchange_settings: ExchangeSettings,
    free_port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recovery, "SILENT_SECONDS", 2.5)
    url = f"http://127.0.0.1:{free_port}"
    with started(exchange_settings, free_port) as process:
        with ExchangeClient(url) as public:
            key = public.create_key("ann", funded=True)
        with ExchangeClient(url, key.api_key, key.secret) as ann:
            kept = ann.limit_order("BUY", "0.004", "1")["orderId"]
            os.kill(process.pid, signal.SIGSTOP)
            with start_box() as box:
                os.kill(process.pid, signal.SIGCONT)
                with pytest.raises(ExchangeRefusal):
                    ann.limit_order("BUY", "0.004", "2")
                own = box.client(key.api_key, key.secret).open_orders()
                assert [kept] == [order["orderId"] for order in own]
                assert box.audit().sound


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(fields=st.dictionaries(st.sampled_from(NAMES), HOSTILE, min_size=1), market=st.booleans())
def test_14_no_number_is_our_mistake(box: Any, fields: dict[str, str], market: bool) -> None:
    box.fuzzed = getattr(box, "fuzzed", None) or box.trader("fuzz", tao=5)
    order = {"symbol": "TAOBTC", "side": "SELL", "type": "MARKET" if market else "LIMIT"}
    limit = {} if market else {"price": "0.005", "timeInForce": "GTC"}
    asked = {**order, "quantity": "1", **limit, **fields}
    statuses = []
    for method in ("POST", "DELETE"):
        try:
            box.fuzzed._signed(method, "/api/v3/order", **asked)
        except ExchangeRefusal as refusal:
            statuses.append(refusal.status)
    assert all(400 <= status < 500 for status in statuses), fields


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        ("UPDATE transfer SET amount = amount + 1 WHERE transfer_id = 1", "not those sealed"),
        ("UPDATE journal SET payload = replace(payload, 'ann', 'eve')", "breaks at entry 1"),
        ("DELETE FROM journal WHERE sequence = 2", "breaks at entry 2"),
    ],
)
def test_15_an_altered_record_stops_the_engine(
    box: Any, exchange_settings: ExchangeSettings, harm: str, complaint: str
) -> None:
    ann = box.trader("ann")
    ann.limit_order("BUY", "0.004", "1")
    table = harm.split()[2 if harm.startswith("DELETE") else 1]
    with psycopg.connect(exchange_settings.database_url, autocommit=True) as conn:
        conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        conn.execute(harm.encode())
    wait_until(lambda: box.failures != [])
    assert complaint in box.engine.failure
    with pytest.raises(ExchangeRefusal, match="-1007"):
        ann.limit_order("BUY", "0.004", "1")
    invariants = {one.name: one.holds for one in box.http.app.state.auditor.list_invariants()}
    assert invariants["I7"] is False
    assert invariants["I1"] is True


def test_15_books_that_do_not_add_up_are_never_committed(box: Any) -> None:
    ann = box.trader("ann")
    kept = ann.limit_order("BUY", "0.004", "1")["orderId"]
    box.engine.ask(lambda exchange: exchange.accounts[1001].add_free(Asset.BTC, 1)).result(10)
    with pytest.raises(ExchangeRefusal, match="-1007"):
        ann.limit_order("BUY", "0.003", "1")
    assert "I5: account 1001" in box.engine.failure
    assert kept == 1
