"""
Redis: Celery's queues and the streams of events.

Celery's transport keeps a queue as a list, which is gone while it is empty, and what workers hold
and have not finished in a hash. Each application is known by the set in which it keeps bindings.
"""

import time
from collections.abc import Sequence
from typing import Any

import redis

from taonet.kit.exposition import Exposition

BINDING = "_kombu.binding."
UNACKED = "unacked"
SEARCH_SECONDS = 30.0
"""Between two searches: a queue or a stream seldom comes into being."""
SCAN_COUNT = 1_000


class Queues:
    """Where jobs and events wait; the search for them is remembered for a while."""

    def __init__(self, client: redis.Redis, names: Sequence[str]) -> None:
        self._client = client
        self._names = names
        self._searched = -SEARCH_SECONDS
        self._applications: list[str] = []
        """The prefixes of their keys."""
        self._streams: list[str] = []

    def show(self, page: Exposition) -> None:
        if time.monotonic() - self._searched >= SEARCH_SECONDS:
            self._search()
        self._show_queues(page)
        self._show_streams(page)

    def _search(self) -> None:
        found = self._client.scan_iter(match=f"*:{BINDING}*", count=SCAN_COUNT)
        self._applications = sorted({key.partition(f":{BINDING}")[0] for key in found})
        self._streams = sorted(self._client.scan_iter(count=SCAN_COUNT, _type="stream"))
        self._searched = time.monotonic()

    def _show_queues(self, page: Exposition) -> None:
        pairs = [(application, name) for application in self._applications for name in self._names]
        pipeline = self._client.pipeline(transaction=False)
        for application, name in pairs:
            pipeline.llen(f"{application}:{name}")
        for application in self._applications:
            pipeline.hlen(f"{application}:{UNACKED}")
        counts = pipeline.execute()
        waiting = zip(pairs, counts[: len(pairs)], strict=True)
        running = zip(self._applications, counts[len(pairs) :], strict=True)
        page.series(
            "gauge",
            "taonet_queue_waiting_jobs",
            "Jobs that no worker has taken.",
            ("application", "queue"),
            ((*named, count) for named, count in waiting),
        )
        page.series(
            "gauge",
            "taonet_queue_unacknowledged_jobs",
            "Jobs that a worker has taken and not finished.",
            ("application",),
            running,
        )

    def _show_streams(self, page: Exposition) -> None:
        lengths, behind, pending = [], [], []
        for stream in self._streams:
            length: Any = self._client.xlen(stream)
            groups: Any = self._client.xinfo_groups(stream) if length else []
            lengths.append((stream, length))
            for group in groups:
                behind.append((stream, group["name"], group.get("lag") or 0))
                pending.append((stream, group["name"], group["pending"]))
        labels = ("stream", "group")
        page.series(
            "gauge", "taonet_stream_entries", "Entries a stream keeps.", ("stream",), lengths
        )
        meaning = "Entries a group of readers has not been given yet."
        page.series("gauge", "taonet_stream_lag_entries", meaning, labels, behind)
        meaning = "Entries given to a reader that has not acknowledged them."
        page.series("gauge", "taonet_stream_pending_entries", meaning, labels, pending)


def show_redis(client: redis.Redis, page: Exposition) -> None:
    """Show what Redis tells of itself."""
    told: Any = client.info()
    gauges = {
        "used_memory": ("taonet_redis_memory_bytes", "Memory in use."),
        "connected_clients": ("taonet_redis_clients", "Open connections."),
        "blocked_clients": ("taonet_redis_blocked_clients", "Connections that wait for a key."),
        "uptime_in_seconds": ("taonet_redis_uptime_seconds", "Since its start."),
        "aof_enabled": ("taonet_redis_durable", "1: it writes what must outlive it to a file."),
    }
    counters = {
        "total_commands_processed": ("taonet_redis_commands_total", "Commands."),
        "evicted_keys": ("taonet_redis_evicted_keys_total", "Keys thrown out; must stay 0."),
        "expired_keys": ("taonet_redis_expired_keys_total", "Keys whose time was over."),
        "rejected_connections": ("taonet_redis_refused_connections_total", "Clients refused."),
    }
    for field, (name, meaning) in gauges.items():
        page.value("gauge", name, meaning, told[field])
    for field, (name, meaning) in counters.items():
        page.value("counter", name, meaning, told[field])
