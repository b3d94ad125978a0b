"""How long jobs wait and run: counted in Postgres, where no killed worker takes them along."""

import bisect
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import current_task
from celery.signals import before_task_publish
from psycopg import Error as PostgresError
from psycopg_pool import ConnectionPool

from taonet.kit.db import begin
from taonet.kit.logging import get_logger
from taonet.kit.metrics import WORK_BUCKETS
from validator_service.rounds import watch_repository

SENT_AT = "taonet_sent_at"
"""The header that says when a job was rung for, in seconds of the epoch."""

log = get_logger(__name__)


def stamp(headers: dict[str, Any], **_: Any) -> None:
    headers[SENT_AT] = time.time()


before_task_publish.connect(stamp)


@contextmanager
def timed(pool: ConnectionPool, job: str) -> Iterator[list[str]]:
    """Count a job's time; the list that is given holds how it ended, unless it raises."""
    sent_at = getattr(current_task.request, SENT_AT, None) if current_task else None
    began_at, started = time.time(), time.perf_counter()
    outcome = ["done"]
    try:
        yield outcome
    except BaseException:
        outcome[0] = "failed"
        raise
    finally:
        times = [("run", outcome[0], time.perf_counter() - started)]
        if sent_at is not None:
            times.append(("wait", "", max(began_at - sent_at, 0.0)))
        note(pool, job, times)


def note(pool: ConnectionPool, job: str, times: list[tuple[str, str, float]]) -> None:
    try:
        with begin(pool) as conn:
            for measure, outcome, seconds in times:
                bound = find_bound(seconds)
                watch_repository.count_job(conn, job, measure, outcome, bound, seconds)
    except PostgresError as error:
        log.warning("a job was not counted", job=job, reason=str(error).strip())


def find_bound(seconds: float) -> float:
    """Return the smallest bound of the histogram that is not below."""
    place = bisect.bisect_left(WORK_BUCKETS, seconds)
    return WORK_BUCKETS[place] if place < len(WORK_BUCKETS) else math.inf
