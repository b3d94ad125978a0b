"""Commands that wait: behind a commit that takes long, and behind one that never ends."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from tests.conftest import wait_until

from exchange_service import engine as engine_module
from exchange_service import watchdog
from exchange_service.answers import Unanswered
from exchange_service.batch import Batch, Waiting
from exchange_service.client import ExchangeRefusal
from exchange_service.domain.commands import OpenAccount
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import AccountOpened, Fact, Rejected
from exchange_service.domain.journal import GENESIS_HASH
from exchange_service.domain.refusals import TOO_LATE
from exchange_service.settings import ExchangeSettings


@contextmanager
def hanging_commits(settings: ExchangeSettings) -> Iterator[None]:
    """Nobody can write to the journal meanwhile."""
    with psycopg.connect(settings.database_url) as conn:
        conn.execute("LOCK TABLE journal IN EXCLUSIVE MODE")
        yield


def in_background(work: Any, *arguments: Any, **named: Any) -> "Future[Any]":
    """Start a call; the future holds what it returns or raises."""
    outcome: Future[Any] = Future()

    def run() -> None:
        try:
            outcome.set_result(work(*arguments, **named))
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome


def carry_out(now_ms: int, valid_until_ms: int) -> tuple[Batch, list[Fact]]:
    batch = Batch(Exchange(), now_ms, 0, GENESIS_HASH)
    command = OpenAccount(0, 0, "ann", 0, 0, 0)
    batch.carry_out(Waiting(command, Unanswered(), valid_until_ms))
    return batch, batch.outcomes[0][1]


def test_what_is_too_late_for_its_sender_is_not_done() -> None:
    batch, facts = carry_out(now_ms=1_001, valid_until_ms=1_000)
    assert facts == [Rejected(TOO_LATE)]
    assert (batch.entries, batch.facts) == ([], [])
    assert batch.counts == {("OpenAccount", True): 1}
    batch, facts = carry_out(now_ms=1_000, valid_until_ms=1_000)
    assert isinstance(facts[0], AccountOpened)
    assert len(batch.entries) == 1


def test_an_order_that_waited_longer_than_its_window_is_refused(
    box: Any, exchange_settings: ExchangeSettings
) -> None:
    ann = box.trader("ann")
    with hanging_commits(exchange_settings):
        first = in_background(ann.limit_order, "BUY", "0.004", "1")
        wait_until(lambda: box.engine._batch != [])
        late = {"placed": in_background(ann.limit_order, "BUY", "0.003", "1", recvWindow=300)}
        late["cancelled"] = in_background(
            ann._signed, "DELETE", "/api/v3/openOrders", symbol="TAOBTC", recvWindow=300
        )
        wait_until(lambda: box.engine._queue.qsize() == 2)
        time.sleep(0.35)
    kept = first.result(10)["orderId"]
    for answer in late.values():
        with pytest.raises(ExchangeRefusal, match="-1021: Timestamp for this request is outside"):
            answer.result(10)
    assert [order["orderId"] for order in ann.open_orders()] == [kept]
    assert box.public.audit().sound


def test_a_commit_that_hangs_is_given_up(
    start_box: Any, exchange_settings: ExchangeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "COMMIT_SECONDS_MAX", 0.5)
    monkeypatch.setattr(watchdog, "LOOK_SECONDS", 0.05)
    with start_box() as box:
        ann = box.trader("ann")
        kept = ann.limit_order("BUY", "0.004", "1")["orderId"]
        with hanging_commits(exchange_settings):
            began = time.monotonic()
            prices = ("0.003", "0.0031", "0.0032")
            answers = [in_background(ann.limit_order, "BUY", price, "1") for price in prices]
            for answer in answers:
                with pytest.raises(ExchangeRefusal, match="-1007") as refusal:
                    answer.result(10)
                assert refusal.value.status == 504
            assert time.monotonic() - began < 5
            with pytest.raises(ExchangeRefusal, match="-1007"):
                ann.limit_order("BUY", "0.003", "1")
        assert box.failures == ["engine"]
        assert box.engine.failure == "TimeoutError: Postgres does not answer"
        box.engine._thread.join(10)
        assert box.failures == ["engine"], "what came back later is not answered once more"
    monkeypatch.undo()
    with start_box() as box:
        ann._http = box.http
        assert kept in [order["orderId"] for order in ann.open_orders()]
        assert box.public.audit().sound
