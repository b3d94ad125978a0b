"""
Every SQL statement about what waits for a block.

A signer's waiting extrinsics follow its account's nonce without a gap: they go in by nonce, into
blocks by nonce, and expire with all after them. So the last of them tells how many there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection

from taonet.kit.rows import copy_rows, escape_json, write_array

MEMPOOL_LOCK = 0x7A2
"""Advisory lock key of whoever adds to the mempool, or expires from it."""
WaitingRow = tuple[str, str, int, int, int, int, int, str]
"""hash, signer, nonce, fee, fees up to this one, length, lengths up to this one, body."""


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


def count_waiting(conn: Connection) -> int:
    """
    Return how many extrinsics wait.

    Those that the author left, and all since: where one was rolled back, until the next block, one
    too many.
    """
    row = conn.execute(
        "SELECT coalesce(max(waiting), 0) + greatest(coalesce(pg_sequence_last_value("
        "pg_get_serial_sequence('mempool', 'sequence')), 0) - coalesce(max(last_sequence), 0), 0) "
        "FROM author"
    ).fetchone()
    assert row is not None
    return int(row[0])


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


def load_waiting(conn: Connection, after: int, limit: int) -> list[tuple[int, str, int, str]]:
    """Return extrinsics that wait, by arrival: (sequence, hash, length, body)."""
    return conn.execute(
        "SELECT sequence, hash, length, body::text FROM mempool WHERE sequence > %s "
        "ORDER BY sequence LIMIT %s",
        (after, limit),
    ).fetchall()


def expire_waiting(conn: Connection, signer: str, from_nonce: int) -> int:
    """Take a signer's extrinsics from a nonce on out of the mempool, and keep them as expired."""
    conn.execute(
        "INSERT INTO extrinsic (hash, status, error, fee_rao, body, signer_tag) "
        "SELECT hash, 'expired', 'Expired: its last valid block passed, or that of one before it', "
        "0, body, account_tag(signer) FROM mempool "
        "WHERE signer = %(signer)s AND nonce >= %(nonce)s "
        "ON CONFLICT (hash) DO NOTHING",
        {"signer": signer, "nonce": from_nonce},
    )
    return conn.execute(
        "DELETE FROM mempool WHERE signer = %s AND nonce >= %s", (signer, from_nonce)
    ).rowcount
