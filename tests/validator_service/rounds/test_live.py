"""A whole round with a real worker: from text to weights on chain, whatever Servers do."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import psycopg
import redis


@contextmanager
def celery(
    environment: dict[str, str], *arguments: str, stop: str = "terminate"
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker, or beat, as the cluster does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "validator_service.worker", *arguments],
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        children = psutil.Process(process.pid).children(recursive=True)
        for each in (process, *children) if stop == "kill" else (process,):
            getattr(each, stop)()
        process.wait(timeout=20)


def rows(environment: dict[str, str], query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(environment["TAONET_DATABASE_URL"]) as conn:
        return conn.execute(query).fetchall()


WORKER = ("worker", "--without-gossip", "--without-mingle", "-l", "info")


def test_weights_follow_skill_and_nobody_stops_the_round(
    chain: Any, make_server: Any, environment: dict[str, str], wait: Any
) -> None:
    best, middle, worst = make_server(0.6), make_server(0.4), make_server(0.2)
    others = [make_server(1.0, behaviour) for behaviour in ("garbage", "slow", "unsigned")]
    gone = make_server(1.0)
    gone.http.stop()

    with celery(environment, *WORKER), celery(environment, "beat", "-l", "warning"):
        wait(lambda: len(chain.weights) == 1)
        wait(lambda: "reveal_weights" in chain.calls)

    weights = next(iter(chain.weights.values()))
    uids = {n["hotkey"]: n["uid"] for n in chain.neurons}
    assert weights[uids[best.hotkey]] > weights[uids[middle.hotkey]] > weights[uids[worst.hotkey]]
    assert not {uids[other.hotkey] for other in [*others, gone]} & set(weights)
    codes = dict(rows(environment, "SELECT code, total FROM tally WHERE kind = 'answer'"))
    assert {"ok", "malformed", "timeout", "unsigned", "unavailable"} == set(codes)
    assert chain.registrations == 1
    # At first there is nothing to copy; from then on no weights are shown before they count.
    ranking = [call for call in chain.calls if call.endswith("weights")]
    assert ranking[:3] == ["set_weights", "commit_weights", "reveal_weights"]
    assert chain.early_reveals == 0


def test_a_worker_killed_in_the_middle_of_a_round_loses_none(
    make_server: Any, environment: dict[str, str], wait: Any
) -> None:
    """The round is asked again by the next worker, under the same name, and counted once."""
    make_server(0.5)
    slow = make_server(0.5, "slow")
    environment = {**environment, "TAONET_VALIDATOR_ANSWER_SECONDS": "3"}
    with celery(environment, "beat", "-l", "warning"):
        with celery(environment, *WORKER, stop="kill"):
            wait(lambda: slow.asked)
        assert rows(environment, "SELECT state FROM round WHERE number = 1") == [("asking",)]
        with psycopg.connect(environment["TAONET_DATABASE_URL"]) as conn:
            conn.execute("UPDATE round SET touched_at = now() - interval '30 seconds'")
        with celery(environment, *WORKER):
            wait(
                lambda: (
                    rows(environment, "SELECT state FROM round WHERE number = 1") == [("scored",)]
                ),
                60,
            )

    scored = rows(environment, "SELECT count(*) FROM round WHERE state = 'scored'")
    tallied = rows(environment, "SELECT total FROM tally WHERE kind = 'round' AND code = 'scored'")
    answers = rows(environment, "SELECT count(*) FROM answer GROUP BY round_id")
    assert scored == tallied
    assert set(answers) == {(2,)}


def test_without_a_chain_a_worker_waits_and_goes_on(
    chain: Any, make_server: Any, environment: dict[str, str], wait: Any
) -> None:
    make_server(0.5)
    chain.down = True
    with celery(environment, *WORKER), celery(environment, "beat", "-l", "warning"):
        wait(lambda: chain.refused > 2)
        assert rows(environment, "SELECT count(*) FROM round") == [(0,)]
        chain.down = False
        wait(lambda: chain.weights)


def test_whatever_a_validator_stands_on_may_go_and_come_back(
    chain: Any, make_server: Any, environment: dict[str, str], wait: Any
) -> None:
    """Nobody answers; the broker forgets all; every session with Postgres is cut: it goes on."""
    gone = make_server(0.5)
    gone.http.stop()

    def scored() -> int:
        return int(rows(environment, "SELECT count(*) FROM round WHERE state = 'scored'")[0][0])

    with celery(environment, *WORKER), celery(environment, "beat", "-l", "warning"):
        wait(lambda: scored() >= 2)
        assert rows(environment, "SELECT DISTINCT code FROM answer") == [("unavailable",)]
        assert not chain.weights
        make_server(0.5)
        with redis.Redis.from_url(environment["TAONET_REDIS_URL"]) as client:
            client.flushall()
        before = scored()
        wait(lambda: scored() >= before + 2)
        with psycopg.connect(environment["TAONET_DATABASE_URL"]) as conn:
            conn.execute(
                """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE usename = current_user AND pid <> pg_backend_pid()"""
            )
        before = scored()
        wait(lambda: scored() >= before + 2)
        wait(lambda: chain.weights)
