"""Every SQL statement of refunds: what consumers asked back, and what became of it."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True)
class RefundRow:
    id: int
    amount_rao: int
    state: str
    """`waiting`, `intended`, `signed` (and sent), or `settled` (in a block)."""
    extrinsic_hash: str | None
    height: int | None
    created_at: datetime


def find_available(conn: Connection, address: str) -> int:
    """Return what an account could spend now, and let nobody else spend of it until the commit."""
    row = conn.execute(
        "SELECT balance_rao - reserved_rao FROM account WHERE address = %s FOR UPDATE", (address,)
    ).fetchone()
    return int(row[0]) if row else 0


def add_refund(conn: Connection, address: str, amount_rao: int, fee_rao: int) -> int:
    """Take the amount and the fee from an account, and note what is to be sent; return its id."""
    row = conn.execute(
        """WITH taken AS (
             UPDATE account SET balance_rao = balance_rao - %(amount_rao)s - %(fee_rao)s
             WHERE address = %(address)s RETURNING address
           ), noted AS (
             INSERT INTO refund (account, amount_rao) SELECT address, %(amount_rao)s FROM taken
             RETURNING id, account
           ), booked AS (
             INSERT INTO transfer (kind, reference, debit, credit, amount_rao)
             SELECT 'refund', id::TEXT, account, 'refunds', %(amount_rao)s FROM noted
             UNION ALL
             SELECT 'refund_fee', id::TEXT, account, 'revenue', %(fee_rao)s FROM noted
             WHERE %(fee_rao)s > 0
           )
           SELECT id FROM noted""",
        {"address": address, "amount_rao": amount_rao, "fee_rao": fee_rao},
    ).fetchone()
    assert row is not None
    return int(row[0])


def count_waiting(conn: Connection, limit: int) -> int:
    """Return how many refunds, at most so many, no payment carries yet."""
    row = conn.execute(
        "SELECT count(*) FROM (SELECT FROM refund WHERE payment_id IS NULL LIMIT %s) AS waiting",
        (limit,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def bind_waiting(conn: Connection, payment_id: int, limit: int) -> None:
    """Let a payment carry the oldest refunds that wait: they are in no other one."""
    conn.execute(
        """UPDATE refund SET payment_id = %s WHERE id IN (
             SELECT id FROM refund WHERE payment_id IS NULL ORDER BY id LIMIT %s
             FOR UPDATE SKIP LOCKED)""",
        (payment_id, limit),
    )


def list_refunds(conn: Connection, address: str, limit: int) -> list[RefundRow]:
    """Return an account's refunds, the newest first."""
    with conn.cursor(row_factory=class_row(RefundRow)) as cursor:
        return cursor.execute(
            """SELECT refund.id, amount_rao::BIGINT AS amount_rao,
                      coalesce(state, 'waiting') AS state, extrinsic_hash, height,
                      refund.created_at
               FROM refund LEFT JOIN payment ON payment.id = payment_id
               WHERE account = %s ORDER BY refund.id DESC LIMIT %s""",
            (address, limit),
        ).fetchall()
