"""What a Validator shows of its rounds and jobs: from its tables, whoever did the work."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families
from psycopg_pool import ConnectionPool

from taonet.kit.db import begin, open_pool
from validator_service.metrics import AUDITS, ValidatorState
from validator_service.rounds import timing

from .test_operations import play, pool, reply

__all__ = ["pool"]


def read(pool: ConnectionPool) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(ValidatorState(pool).read())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(pool: ConnectionPool, name: str, **labels: str) -> float:
    return read(pool)[name, frozenset(labels.items())]


def test_each_server_s_answers_worth_and_synergy_are_shown(pool: ConnectionPool) -> None:
    play(pool, [reply(1, 0.5), reply(2, 0.2), reply(3, code="timeout")])
    play(pool, [reply(1, 0.5), reply(2, 0.2), reply(3, code="timeout")])

    answers = "taonet_validator_server_answers_total"
    assert value(pool, answers, uid="1", code="ok") == 2
    assert value(pool, answers, uid="3", code="timeout") == 2
    worth = "taonet_validator_server_worth"
    assert value(pool, worth, uid="1") > value(pool, worth, uid="2") > 0
    assert value(pool, worth, uid="3") == 0
    synergy = value(pool, "taonet_validator_server_synergy", uid="1")
    assert 0 <= synergy < value(pool, worth, uid="1")
    assert value(pool, "taonet_validator_kept_rounds", state="scored") == 2
    age = time.time() - value(pool, "taonet_validator_last_round_timestamp_seconds")
    assert 0 <= age < 60


def test_what_the_one_before_in_a_slot_was_worth_is_not_shown(pool: ConnectionPool) -> None:
    play(pool, [reply(1, 0.5), reply(2, 0.2)])
    with begin(pool) as conn:
        conn.execute("UPDATE standing SET hotkey = 'newcomer' WHERE uid = 1")

    shown = {labels for name, labels in read(pool) if name == "taonet_validator_server_worth"}

    assert shown == {frozenset({("uid", "2")})}


def test_jobs_are_counted_with_how_they_ended(pool: ConnectionPool) -> None:
    with timing.timed(pool, "rest"):
        pass
    with timing.timed(pool, "rest") as outcome:
        outcome[0] = "waiting"
    with pytest.raises(ZeroDivisionError), timing.timed(pool, "rest"):
        raise ZeroDivisionError

    run = "taonet_validator_job_run_seconds"
    for ending in ("done", "waiting", "failed"):
        assert value(pool, f"{run}_count", task="rest", outcome=ending) == 1
        assert value(pool, f"{run}_bucket", task="rest", outcome=ending, le="0.05") == 1
        assert value(pool, f"{run}_bucket", task="rest", outcome=ending, le="+Inf") == 1


def work_for_ever(url: str) -> None:
    with open_pool(url, 1) as own:
        while True:
            timing.note(own, "toil", [("run", "done", 0.3)])


def test_what_killed_workers_counted_stays_counted_once(database: Callable[[str], str]) -> None:
    url = database("validator_service")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=work_for_ever, args=(url,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    with open_pool(url) as pool:
        name, labels = "taonet_validator_job_run_seconds_count", {"task": "toil", "outcome": "done"}
        deadline = time.monotonic() + 60
        key = name, frozenset(labels.items())
        while read(pool).get(key, 0) < 20 and time.monotonic() < deadline:
            time.sleep(0.1)
        for worker in workers:
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()

        counted = value(pool, name, **labels)
        total = value(pool, "taonet_validator_job_run_seconds_sum", **labels)
        assert counted >= 20
        assert total == pytest.approx(0.3 * counted), "a count and its seconds are one row"
        assert value(pool, name, **labels) == counted


def test_a_wrong_row_in_the_books_is_found(pool: ConnectionPool) -> None:
    audit = AUDITS["gateway_books"]
    with begin(pool) as conn:
        assert audit(conn) == 0
        conn.execute("INSERT INTO account (address, balance_rao) VALUES ('5Somebody', 7)")
        assert audit(conn) == 1
