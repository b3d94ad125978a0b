"""
Work and news through Redis: Celery for jobs, streams with consumer groups for events.

Delivery is at least once, so every job and every consumer is idempotent by id, and the truth
stays in Postgres: losing Redis loses time, never work.
"""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import redis
from celery import Celery

JOB_SECONDS_SOFT = 50
JOB_SECONDS_MAX = 60
SOFT_SHUTDOWN_SECONDS = 5
JOBS_OF_A_CHILD = 2_000
"""After so many a process is replaced, whatever it may have leaked."""
READ_BLOCK_MS = 1_000
READ_COUNT = 100
CLAIM_IDLE_MS = 30_000


@dataclass(frozen=True)
class Event:
    """One fact read from a stream."""

    entry: str
    """The stream's own id of this delivery."""
    id: int
    """The sender's id of the fact: what a consumer remembers."""
    kind: str
    body: dict[str, Any]


def create_celery(name: str, redis_url: str, task_modules: Iterable[str], prefix: str) -> Celery:
    """
    Return a Celery application whose jobs survive a killed worker and a restarted broker.

    `prefix` separates the keys of several users of one Redis. The settings were each measured to be
    needed: late acknowledgement and rejection re-run a job whose process died, the restore
    settings make that take seconds instead of minutes, prefetch 1 shares work fairly.
    """
    app = Celery(name, broker=redis_url, include=list(task_modules))
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_time_limit=JOB_SECONDS_MAX,
        task_soft_time_limit=JOB_SECONDS_SOFT,
        # On SIGQUIT a worker gives its jobs so long, then leaves them to the next one.
        worker_soft_shutdown_timeout=SOFT_SHUTDOWN_SECONDS,
        worker_enable_soft_shutdown_on_idle=True,
        worker_max_tasks_per_child=JOBS_OF_A_CHILD,
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
        broker_transport_options={
            "global_keyprefix": f"{prefix}:",
            "visibility_timeout": 3 * JOB_SECONDS_MAX,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": 30,
            "socket_keepalive": True,
            "health_check_interval": 15,
        },
    )
    return app


def read_group(
    client: redis.Redis, stream: str, group: str, handle: Callable[[Event], None]
) -> int:
    """
    Hand waiting events of a stream to `handle`, acknowledging each after it returned.

    Also takes over what another member of the group left unfinished. Returns how many were handled.
    """
    _ensure_group(client, stream, group)
    consumer = f"{os.uname().nodename}-{os.getpid()}"
    claimed: Any = client.xautoclaim(stream, group, consumer, CLAIM_IDLE_MS, count=READ_COUNT)
    fresh: Any = client.xreadgroup(
        group, consumer, {stream: ">"}, count=READ_COUNT, block=READ_BLOCK_MS
    )
    entries = list(claimed[1]) + [entry for _, items in fresh or [] for entry in items]
    for entry, fields in entries:
        handle(_parse_event(entry, fields))
        client.xack(stream, group, entry)
    return len(entries)


def _ensure_group(client: redis.Redis, stream: str, group: str) -> None:
    try:
        client.xgroup_create(stream, group, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


def _parse_event(entry: Any, fields: dict[Any, Any]) -> Event:
    text = {_as_text(key): _as_text(value) for key, value in fields.items()}
    return Event(_as_text(entry), int(text["id"]), text["kind"], json.loads(text["body"]))


def _as_text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
