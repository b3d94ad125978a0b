"""
Every SQL statement of a follower: many blocks in one transaction, by COPY; and why it stopped.

The state is written as the author writes it (`ledger_repository`), once for all blocks of a batch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from psycopg import Connection

from chain_service import ledger_repository
from chain_service.domain.blocks import AppliedBlock
from chain_service.domain.state import State
from chain_service.sealed import SealedBlock


@dataclass(frozen=True, slots=True)
class Followed:
    """A block as it came, and what came of it."""

    sealed: SealedBlock
    block: AppliedBlock
    told: Sequence[dict[str, Any]]
    """Its events as they are told."""
    microseconds: int


def save_blocks(conn: Connection, blocks: Sequence[Followed], layer: State) -> None:
    """Write blocks, and the layer of all they changed together."""
    # What a crash of the machine takes back is fetched again.
    conn.execute("SET LOCAL synchronous_commit = off")
    _copy(conn, f"block ({ledger_repository.BLOCK_COLUMNS})", map(_write_block, blocks))
    columns = "extrinsic (hash, height, index, status, error, fee_rao, body)"
    _copy(conn, columns, (row for block in blocks for row in _write_extrinsics(block)))
    columns = "event (height, index, extrinsic_index, kind, body)"
    _copy(conn, columns, (row for block in blocks for row in _write_events(block)))
    ledger_repository.save_state(conn, layer)
    ledger_repository.beat(conn)
    ledger_repository.notify(conn, blocks[-1].sealed.header.height)


def load_halt(conn: Connection) -> str | None:
    """Return why the follower stopped, if it did."""
    row = conn.execute("SELECT reason FROM halt").fetchone()
    return None if row is None else str(row[0])


def save_halt(conn: Connection, height: int, reason: str) -> None:
    conn.execute("INSERT INTO halt (height, reason) VALUES (%s, %s)", (height, reason))


def delete_halt(conn: Connection) -> bool:
    """Let the follower go on; say whether it had stopped."""
    return conn.execute("DELETE FROM halt").rowcount > 0


def _copy(conn: Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    with (
        conn.cursor() as cursor,
        cursor.copy(f"COPY {table} FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)


def _write_block(followed: Followed) -> tuple[Any, ...]:
    header = followed.sealed.header
    return ledger_repository.write_block(followed.block, header, followed.microseconds)


def _write_extrinsics(followed: Followed) -> Iterable[tuple[Any, ...]]:
    height = followed.sealed.header.height
    outcomes = zip(followed.block.outcomes, followed.sealed.bodies, strict=True)
    for index, (outcome, body) in enumerate(outcomes):
        status = "included" if outcome.error is None else "failed"
        yield outcome.hash, height, index, status, outcome.error, outcome.fee_rao, body


def _write_events(followed: Followed) -> Iterable[tuple[Any, ...]]:
    height = followed.sealed.header.height
    events = zip(followed.block.events, followed.told, strict=True)
    for index, ((extrinsic_index, event), told) in enumerate(events):
        yield height, index, extrinsic_index, event.kind, orjson.dumps(told).decode()
