"""Every SQL statement of payouts: what is intended, signed, and settled."""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb


@dataclass(frozen=True)
class Payment:
    """An extrinsic that must have its effect once."""

    id: int
    kind: str
    """`sweep` of a deposit address to the treasury, or `payout` to Servers."""
    account_number: int | None
    """Whose deposit address is swept."""
    state: str
    extrinsic: dict[str, Any] | None
    extrinsic_hash: str | None


@dataclass(frozen=True)
class Owed:
    """What one address is sent, or would be."""

    receiver: str
    amount_rao: int


def list_owed(conn: Connection, minimum_rao: int, treasury: str, limit: int) -> list[Owed]:
    """
    Return whom at least the minimum is owed to, the most first.

    A Server that calls our treasury its owner gets nothing: a transfer to oneself fails, and the
    whole batch with it.
    """
    with conn.cursor(row_factory=class_row(Owed)) as cursor:
        return cursor.execute(
            """SELECT server_coldkey AS receiver, sum(share_rao)::BIGINT AS amount_rao
               FROM call WHERE payout_id IS NULL AND share_rao > 0 AND server_coldkey <> %s
               GROUP BY server_coldkey HAVING sum(share_rao) >= %s
               ORDER BY sum(share_rao) DESC, server_coldkey LIMIT %s""",
            (treasury, minimum_rao, limit),
        ).fetchall()


def add_payment(conn: Connection, kind: str, account_number: int | None = None) -> int | None:
    """Note the intent; None while one of the same key is under way."""
    row = conn.execute(
        """INSERT INTO payment (kind, account_number) VALUES (%s, %s)
           ON CONFLICT DO NOTHING RETURNING id""",
        (kind, account_number),
    ).fetchone()
    return row[0] if row else None


def add_payout(conn: Connection, payment_id: int, coldkey: str) -> None:
    """Bind all that a coldkey is owed to a payment: those calls are in no other one."""
    conn.execute(
        """WITH claimed AS (
             SELECT request_id, share_rao FROM call
             WHERE server_coldkey = %(coldkey)s AND payout_id IS NULL AND share_rao > 0
             FOR UPDATE
           ), added AS (
             INSERT INTO payout (payment_id, coldkey, amount_rao)
             SELECT %(payment_id)s, %(coldkey)s, sum(share_rao) FROM claimed RETURNING id
           )
           UPDATE call SET payout_id = added.id FROM added, claimed
           WHERE call.request_id = claimed.request_id""",
        {"payment_id": payment_id, "coldkey": coldkey},
    )


def list_open(conn: Connection) -> list[Payment]:
    """Return what is under way, sweeps first: payouts may be waiting for their money."""
    with conn.cursor(row_factory=class_row(Payment)) as cursor:
        return cursor.execute(
            """SELECT id, kind, account_number, state, extrinsic, extrinsic_hash
               FROM payment WHERE state <> 'settled' ORDER BY kind = 'payout', id"""
        ).fetchall()


def list_lines(conn: Connection, payment_id: int) -> list[Owed]:
    """Return what a payment sends to whom: Servers' owners first, then consumers' refunds."""
    with conn.cursor(row_factory=class_row(Owed)) as cursor:
        return cursor.execute(
            """SELECT receiver, amount_rao::BIGINT AS amount_rao FROM (
                 SELECT 1 AS part, id, coldkey AS receiver, amount_rao FROM payout
                 WHERE payment_id = %(id)s
                 UNION ALL SELECT 2, id, account, amount_rao FROM refund WHERE payment_id = %(id)s
               ) AS line ORDER BY part, id""",
            {"id": payment_id},
        ).fetchall()


def find_unswept(conn: Connection) -> tuple[int, int] | None:
    """Return an account's number whose deposits were not swept yet, and the newest of them."""
    row = conn.execute(
        """SELECT number, max(transfer.id) FROM account
           JOIN transfer ON kind = 'deposit' AND credit = address AND transfer.id > swept_transfer
           GROUP BY number ORDER BY sum(amount_rao) DESC LIMIT 1"""
    ).fetchone()
    return (row[0], row[1]) if row else None


def mark_swept(conn: Connection, account_number: int, through: int) -> None:
    conn.execute(
        "UPDATE account SET swept_transfer = %s WHERE number = %s", (through, account_number)
    )


def save_signed(
    conn: Connection, payment_id: int, extrinsic: dict[str, Any], extrinsic_hash: str
) -> bool:
    """Store the bytes before they are sent; False where somebody stored others meanwhile."""
    return (
        conn.execute(
            """UPDATE payment SET state = 'signed', extrinsic = %s, extrinsic_hash = %s
               WHERE id = %s AND state = 'intended'""",
            (Jsonb(extrinsic), extrinsic_hash, payment_id),
        ).rowcount
        == 1
    )


def forget_signed(conn: Connection, payment_id: int, extrinsic_hash: str) -> None:
    """Go back to the intent: these bytes can have no effect any more."""
    conn.execute(
        """UPDATE payment SET state = 'intended', extrinsic = NULL, extrinsic_hash = NULL
           WHERE id = %s AND state = 'signed' AND extrinsic_hash = %s""",
        (payment_id, extrinsic_hash),
    )


def book_fee(conn: Connection, extrinsic_hash: str, fee_rao: int) -> None:
    conn.execute(
        """INSERT INTO transfer (kind, reference, debit, credit, amount_rao)
           SELECT 'fee', %(hash)s, 'fees', 'chain', %(fee)s WHERE %(fee)s > 0
           ON CONFLICT DO NOTHING""",
        {"hash": extrinsic_hash, "fee": fee_rao},
    )


def settle(conn: Connection, payment_id: int, extrinsic_hash: str, height: int | None) -> bool:
    """Book a payment that the chain included, once; a sweep moves nothing but our own money."""
    row = conn.execute(
        """WITH done AS (
             UPDATE payment SET state = 'settled', height = %(height)s
             WHERE id = %(id)s AND state = 'signed' AND extrinsic_hash = %(hash)s RETURNING id
           ), booked AS (
             INSERT INTO transfer (kind, reference, debit, credit, amount_rao)
             SELECT 'payout', payout.id::TEXT, 'server:' || coldkey, 'chain', amount_rao
             FROM payout JOIN done ON payment_id = done.id
             UNION ALL
             SELECT 'refunded', refund.id::TEXT, 'refunds', 'chain', amount_rao
             FROM refund JOIN done ON payment_id = done.id
           )
           SELECT id FROM done""",
        {"id": payment_id, "hash": extrinsic_hash, "height": height},
    ).fetchone()
    return row is not None
