"""A whole round with a real worker: from text to weights on chain, whatever Servers do."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg


@contextmanager
def celery(environment: dict[str, str], *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker, or beat, as the cluster does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "validator_service.worker", *arguments],
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_for(condition: Callable[[], Any], seconds: float = 40) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition never became true"
        time.sleep(0.1)
    return found


def rows(environment: dict[str, str], query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(environment["TAONET_DATABASE_URL"]) as conn:
        return conn.execute(query).fetchall()


WORKER = ("worker", "--without-gossip", "--without-mingle", "-l", "info")


def test_weights_follow_skill_and_nobody_stops_the_round(
    chain: Any, make_server: Any, environment: dict[str, str]
) -> None:
    best, middle, worst = make_server(0.6), make_server(0.4), make_server(0.2)
    others = [make_server(1.0, behaviour) for behaviour in ("garbage", "slow", "unsigned")]
    gone = make_server(1.0)
    gone.http.stop()

    with celery(environment, *WORKER), celery(environment, "beat", "-l", "warning"):
        wait_for(lambda: len(chain.weights) == 1)
        wait_for(lambda: rows(environment, "SELECT 1 FROM weights OFFSET 1"))

    weights = next(iter(chain.weights.values()))
    uids = {n["hotkey"]: n["uid"] for n in chain.neurons}
    assert weights[uids[best.hotkey]] > weights[uids[middle.hotkey]] > weights[uids[worst.hotkey]]
    assert not {uids[other.hotkey] for other in [*others, gone]} & set(weights)
    codes = dict(rows(environment, "SELECT code, total FROM tally WHERE kind = 'answer'"))
    assert {"ok", "malformed", "timeout", "unsigned", "unavailable"} == set(codes)
    assert chain.registrations == 1
