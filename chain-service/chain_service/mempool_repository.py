"""
Every SQL statement about what waits for a block.

A signer's waiting extrinsics follow its account's nonce without a gap: they go in by nonce, into
blocks by nonce, and expire with all after them. So the last of them tells how many there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from psycopg import Connection

from taonet.kit.rows import copy_rows, escape_json, write_array

MEMPOOL_LOCK = 0x7A2
"""Advisory lock key of whoever adds to the mempool, or expires from it."""
COUNT_GONE = (
    "UPDATE mempool_count SET extrinsics = mempool_count.extrinsics + gone.extrinsics, "
    "bytes = mempool_count.bytes + gone.bytes "
    "FROM (SELECT count(*) AS extrinsics, coalesce(sum(length), 0) AS bytes FROM gone) AS gone "
    "WHERE what = 'left'"
)
"""Goes with every statement that takes rows out of the mempool: with `gone`, their lengths."""
WaitingRow = tuple[str, str, int, int, int, int, int, str]
"""hash, signer, nonce, fee, fees up to this one, length, lengths up to this one, body."""


class MempoolSize(NamedTuple):
    extrinsics: int
    bytes: int
    """Of canonical JSON."""


@dataclass
class StandingRow:
    """Where a signer stands while its extrinsics are taken in."""

    signer: str
    free_rao: int
    next_nonce: int
    waiting: int
    fees_rao: int
    """What those that wait will pay."""
    fees_sum_rao: int
    """Of the last that waits: the sum that the next one goes on from."""
    length: int
    """Bytes of those that wait."""
    lengths_sum: int
    """Of the last that waits, as with the fees."""
    is_known: bool
    """Has money, is a hotkey with a neuron, or a coldkey with stake."""


def lock_mempool(conn: Connection) -> None:
    """
    Let one transaction at a time add to the mempool, or expire from it.

    So sequences become visible in their order, and a nonce is built on nothing that goes away.
    """
    conn.execute("SELECT pg_advisory_xact_lock(hashtext(current_schema()), %s)", (MEMPOOL_LOCK,))


def load_standings(conn: Connection, signers: Sequence[str]) -> dict[str, StandingRow]:
    """Return where each signer stands, with what it has waiting."""
    rows = conn.execute(
        """
        SELECT asked.signer, coalesce(account.free_rao, 0) AS free_rao,
            coalesce(last.nonce + 1, account.nonce, 0) AS next_nonce,
            coalesce(last.nonce + 1 - coalesce(account.nonce, 0), 0) AS waiting,
            coalesce(last.fees_sum_rao - first.fees_sum_rao + first.fee_rao, 0) AS fees_rao,
            coalesce(last.fees_sum_rao, 0) AS fees_sum_rao,
            coalesce(last.lengths_sum - first.lengths_sum + first.length, 0) AS length,
            coalesce(last.lengths_sum, 0) AS lengths_sum,
            (coalesce(account.free_rao, 0) > 0
                OR EXISTS (SELECT FROM neuron WHERE hotkey = asked.signer)
                OR EXISTS (SELECT FROM stake WHERE coldkey = asked.signer)) AS is_known
        FROM unnest(%s::text[]) AS asked (signer)
        LEFT JOIN account ON account.address = asked.signer
        LEFT JOIN LATERAL (
            SELECT nonce, fees_sum_rao, lengths_sum FROM mempool
            WHERE signer = asked.signer AND nonce >= coalesce(account.nonce, 0)
            ORDER BY nonce DESC LIMIT 1) AS last ON TRUE
        LEFT JOIN mempool AS first
            ON first.signer = asked.signer AND first.nonce = coalesce(account.nonce, 0)
        """,
        (write_array(signers),),
    )
    return {row[0]: StandingRow(*row) for row in rows}


def measure_waiting(conn: Connection) -> MempoolSize:
    """Return how much waits, without looking at any of it."""
    row = conn.execute(
        "SELECT arrived.extrinsics - gone.extrinsics, arrived.bytes - gone.bytes "
        "FROM mempool_count AS arrived, mempool_count AS gone "
        "WHERE arrived.what = 'arrived' AND gone.what = 'left'"
    ).fetchone()
    assert row is not None, "the migration writes these rows"
    return MempoolSize(*row)


def recount_waiting(conn: Connection) -> None:
    """Count what waits anew, whatever was counted before; under the mempool's lock."""
    conn.execute("UPDATE mempool_count SET extrinsics = 0, bytes = 0 WHERE what = 'left'")
    conn.execute(
        "UPDATE mempool_count SET (extrinsics, bytes) = "
        "(SELECT count(*), coalesce(sum(length), 0) FROM mempool) WHERE what = 'arrived'"
    )


def insert_waiting(conn: Connection, rows: Sequence[WaitingRow]) -> None:
    """Add extrinsics; what expired before and came again waits again."""
    conn.execute(
        "DELETE FROM extrinsic WHERE status = 'expired' AND hash = ANY(%s::text[])",
        (write_array(row[0] for row in rows),),
    )
    columns = "hash, signer, nonce, fee_rao, fees_sum_rao, length, lengths_sum, body"
    copy_rows(
        conn,
        f"mempool ({columns})",
        (
            "\t".join((digest, signer, *map(str, numbers), escape_json(body))) + "\n"
            for digest, signer, *numbers, body in rows
        ),
    )
    conn.execute(
        "UPDATE mempool_count SET extrinsics = extrinsics + %s, bytes = bytes + %s "
        "WHERE what = 'arrived'",
        (len(rows), sum(row[5] for row in rows)),
    )


def load_waiting(conn: Connection, after: int, limit: int) -> list[tuple[int, str, int, str]]:
    """Return extrinsics that wait, by arrival: (sequence, hash, length, body)."""
    return conn.execute(
        "SELECT sequence, hash, length, body::text FROM mempool WHERE sequence > %s "
        "ORDER BY sequence LIMIT %s",
        (after, limit),
    ).fetchall()


def expire_waiting(conn: Connection, signer: str, from_nonce: int) -> None:
    """Take a signer's extrinsics from a nonce on out of the mempool, and keep them as expired."""
    conn.execute(
        "INSERT INTO extrinsic (hash, status, error, fee_rao, body, signer_tag) "
        "SELECT hash, 'expired', 'Expired: its last valid block passed, or that of one before it', "
        "0, body, account_tag(signer) FROM mempool "
        "WHERE signer = %(signer)s AND nonce >= %(nonce)s "
        "ON CONFLICT (hash) DO NOTHING",
        {"signer": signer, "nonce": from_nonce},
    )
    conn.execute(
        "WITH gone AS (DELETE FROM mempool WHERE signer = %s AND nonce >= %s RETURNING length) "  # noqa: S608 (our own words)
        + COUNT_GONE,
        (signer, from_nonce),
    )
