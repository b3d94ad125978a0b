"""A consumer of the services' streams, as anybody may write one."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

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
