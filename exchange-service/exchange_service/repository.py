"""The engine's SQL: who may write, the journal, the ledger's seals, and the snapshots."""

from collections.abc import Iterator
from typing import NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from exchange_service.domain.commands import Side
from exchange_service.domain.facts import Traded

ENGINE_LOCK = 0xE7A0
READ_ROWS = 5_000
"""Journal rows fetched at once during recovery."""
SNAPSHOTS_KEPT = 2
BACKSLASH = "\\"
TWO_BACKSLASHES = BACKSLASH * 2


class Entry(NamedTuple):
    """One line of the journal."""

    sequence: int
    payload: bytes
    hash: bytes


class Page(NamedTuple):
    """Entries of the journal, one after another."""

    payloads: bytes
    """A line each."""
    broken: int | None
    """The first one that is missing, or whose hash is wrong."""


class Snapshot(NamedTuple):
    """The whole state as it was after a journal entry."""

    sequence: int
    journal_hash: bytes
    fingerprint: str
    state: bytes


class Balance(NamedTuple):
    account_id: int
    free_sat: int
    locked_sat: int
    free_rao: int
    locked_rao: int


def try_lock_engine(conn: Connection) -> bool:
    """Take the one writer's lock, for as long as this connection lives."""
    row = conn.execute(
        "SELECT pg_try_advisory_lock(hashtext(current_schema()), %s)", (ENGINE_LOCK,)
    ).fetchone()
    return bool(row and row[0])


def raise_epoch(conn: Connection) -> int:
    """Begin a new epoch: from now on, no earlier engine can commit."""
    row = conn.execute("UPDATE engine SET epoch = epoch + 1 RETURNING epoch").fetchone()
    assert row is not None
    epoch: int = row[0]
    return epoch


def beat(conn: Connection, epoch: int) -> bool:
    """Say that this engine is alive; False if a later one has taken over."""
    cursor = conn.execute("UPDATE engine SET alive_at = now() WHERE epoch = %s", (epoch,))
    return cursor.rowcount == 1


def end_frozen_engine(conn: Connection, silent_seconds: float) -> bool:
    """Close the session of an engine that holds the lock and has been silent for so long."""
    row = conn.execute(
        "SELECT bool_or(pg_terminate_backend(l.pid)) FROM pg_locks AS l, engine AS e"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2"
        " AND l.classid = hashtext(current_schema())::bigint & 4294967295 AND l.objid = %s"
        " AND e.alive_at < now() - make_interval(secs => %s)",
        (ENGINE_LOCK, silent_seconds),
    ).fetchone()
    return bool(row and row[0])


def read_journal(conn: Connection, after: int) -> Iterator[Page]:
    """Yield the journal after an entry, in order, its chain of hashes computed anew.

    Postgres does that, and goes on with the next page while the caller works on one: both have a
    core of their own.
    """
    yield from conn.cursor(row_factory=class_row(Page)).stream(
        "SELECT page.payloads, page.broken FROM generate_series("
        "  %(after)s::bigint, (SELECT max(sequence) FROM journal), %(rows)s) AS start,"
        " LATERAL (SELECT convert_to(string_agg(payload, E'\\n'), 'UTF8') AS payloads,"
        "  min(number) FILTER (WHERE sequence <> number OR hash IS DISTINCT FROM sha256("
        "   previous || int8send(number) || convert_to(payload, 'UTF8'))) AS broken"
        "  FROM (SELECT sequence, payload, hash,"
        "    start + row_number() OVER entry AS number,"
        "    lag(hash, 1, COALESCE((SELECT hash FROM journal WHERE sequence = start),"
        "     decode(repeat('00', 32), 'hex'))) OVER entry AS previous"
        "   FROM journal WHERE sequence > start AND sequence <= start + %(rows)s"
        "   WINDOW entry AS (ORDER BY sequence) ORDER BY sequence) AS read"
        " ) AS page WHERE page.payloads IS NOT NULL",
        {"after": after, "rows": READ_ROWS},
        binary=True,
    )


def find_hash(conn: Connection, sequence: int) -> bytes | None:
    """Return the hash of a journal entry."""
    row = conn.execute("SELECT hash FROM journal WHERE sequence = %s", (sequence,)).fetchone()
    return row[0] if row else None


def find_ledger_hash(conn: Connection) -> bytes | None:
    """Return the newest seal of the ledger."""
    row = conn.execute("SELECT hash FROM ledger_seal ORDER BY sequence DESC LIMIT 1").fetchone()
    return row[0] if row else None


def save_snapshot(conn: Connection, epoch: int, snapshot: Snapshot) -> bool:
    """Keep a snapshot and the one before it; False if a later engine has taken over."""
    with conn.transaction():
        cursor = conn.execute(
            "INSERT INTO snapshot (sequence, journal_hash, fingerprint, state)"
            " SELECT %s, %s, %s, %s FROM engine WHERE epoch = %s",
            (*snapshot, epoch),
        )
        conn.execute(
            "DELETE FROM snapshot WHERE sequence NOT IN"
            " (SELECT sequence FROM snapshot ORDER BY sequence DESC LIMIT %s)",
            (SNAPSHOTS_KEPT,),
        )
    return cursor.rowcount == 1


def find_snapshot(conn: Connection) -> Snapshot | None:
    """Return the newest snapshot."""
    row = conn.execute(
        "SELECT sequence, journal_hash, fingerprint, state FROM snapshot"
        " ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    return Snapshot(*row) if row else None


def list_recent_trades(conn: Connection, limit: int) -> list[Traded]:
    """Return the newest trades, oldest first, as far as the public may know them."""
    rows = conn.execute(
        "SELECT time_ms, trade_id, price_sat, quantity_rao, quote_sat, taker_side, taker_order_id,"
        " taker_account_id, 0, taker_fee_sat, maker_order_id, maker_account_id, 0, maker_fee_sat, 0"
        " FROM trade ORDER BY trade_id DESC LIMIT %s",
        (limit,),
    ).fetchall()
    return [Traded(*(*row[:5], Side(row[5]), *row[6:])) for row in reversed(rows)]


def read_balances(conn: Connection) -> dict[int, Balance]:
    rows = conn.execute(
        "SELECT account_id, free_sat, locked_sat, free_rao, locked_rao FROM balance"
    )
    return {row[0]: Balance(*row) for row in rows}
