"""
Facts told to other services: written with the change that made them true, sent afterwards.

Each service's migrations create its own table `outbox` (id, stream, kind, body, recorded_at). The
relay moves rows to a Redis stream in order, at least once; consumers recognise an event by its id.
"""

import dataclasses
import json
import threading
from typing import Any

import redis
from psycopg import Connection
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from taonet.kit.db import begin
from taonet.kit.exposition import Exposition
from taonet.kit.logging import get_logger

BATCH = 500
STREAM_LENGTH_MAX = 100_000
IDLE_SECONDS = 0.2
RETRY_SECONDS = 1.0

log = get_logger(__name__)


def record(conn: Connection, stream: str, event: Any) -> None:
    """Note a fact (a frozen dataclass) in the transaction that made it true."""
    conn.execute(
        "INSERT INTO outbox (stream, kind, body) VALUES (%s, %s, %s)",
        (stream, type(event).__name__, Jsonb(dataclasses.asdict(event))),
    )


def measure_unsent(conn: Connection) -> tuple[int, float]:
    """Return how many recorded events wait to be relayed, and the oldest one's age in seconds."""
    row = conn.execute(
        "SELECT count(*), coalesce(extract(epoch FROM now() - min(recorded_at)), 0) FROM outbox"
    ).fetchone()
    assert row is not None
    return int(row[0]), float(row[1])


def show_unsent(conn: Connection, page: Exposition) -> None:
    """Show how far the relay is behind: from the table, for a relay that is dead can't tell."""
    count, seconds = measure_unsent(conn)
    page.value(
        "gauge", "taonet_outbox_unsent_events", "Events recorded but not yet relayed.", count
    )
    page.value(
        "gauge", "taonet_outbox_oldest_seconds", "How long the oldest of them waits.", seconds
    )


def relay_once(conn: Connection, client: redis.Redis) -> int:
    """Send up to a batch of recorded events, and return how many there were."""
    rows = conn.execute(
        "SELECT id, stream, kind, body FROM outbox ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED",
        (BATCH,),
    ).fetchall()
    if not rows:
        return 0
    pipeline = client.pipeline(transaction=False)
    for event_id, stream, kind, body in rows:
        fields: Any = {"id": event_id, "kind": kind, "body": json.dumps(body)}
        pipeline.xadd(stream, fields, maxlen=STREAM_LENGTH_MAX, approximate=True)
    pipeline.execute()
    conn.execute("DELETE FROM outbox WHERE id = ANY(%s)", ([row[0] for row in rows],))
    return len(rows)


def relay_until(stop: threading.Event, pool: ConnectionPool, client: redis.Redis) -> None:
    """Relay until told to stop; a store that is away is waited for, and nothing is lost."""
    while not stop.is_set():
        try:
            with begin(pool) as conn:
                sent = relay_once(conn, client)
        except Exception as error:
            log.warning("relay waits", error=str(error))
            stop.wait(RETRY_SECONDS)
            continue
        if sent < BATCH:
            stop.wait(IDLE_SECONDS)
