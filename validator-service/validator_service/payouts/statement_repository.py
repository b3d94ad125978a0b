"""The SQL of what is shown: payouts with their calls, and where the books contradict themselves."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import class_row

from validator_service.payouts.schemas import PaidCall

CALLS_MAX = 1_000
"""Calls that are listed of one payout."""


@dataclass(frozen=True)
class Moving:
    """A payment that was signed and is not settled."""

    extrinsic_hash: str
    amount_rao: int
    """What it takes from our addresses together, besides the fee; a sweep takes nothing."""


@dataclass(frozen=True)
class PayoutRow:
    id: int
    coldkey: str
    amount_rao: int
    state: str
    extrinsic_hash: str | None
    height: int | None
    created_at: datetime


def list_payouts(
    conn: Connection, coldkey: str | None, before: int | None, limit: int
) -> list[PayoutRow]:
    with conn.cursor(row_factory=class_row(PayoutRow)) as cursor:
        return cursor.execute(
            """SELECT payout.id, coldkey, amount_rao::BIGINT AS amount_rao, state,
                      extrinsic_hash, height, created_at
               FROM payout JOIN payment ON payment.id = payment_id
               WHERE (%(coldkey)s::TEXT IS NULL OR coldkey = %(coldkey)s)
                 AND (%(before)s::BIGINT IS NULL OR payout.id < %(before)s)
               ORDER BY payout.id DESC LIMIT %(limit)s""",
            {"coldkey": coldkey, "before": before, "limit": limit},
        ).fetchall()


def list_calls(conn: Connection, payout_id: int) -> list[PaidCall]:
    with conn.cursor(row_factory=class_row(PaidCall)) as cursor:
        return cursor.execute(
            """SELECT request_id, server_uid, server_hotkey, prompt_tokens, completion_tokens,
                      cost_rao::BIGINT AS cost_rao, share_rao::BIGINT AS share_rao
               FROM call WHERE payout_id = %s ORDER BY created_at, request_id LIMIT %s""",
            (payout_id, CALLS_MAX),
        ).fetchall()


def list_deposit_addresses(conn: Connection) -> list[str]:
    """Return the addresses that ever received a deposit."""
    rows = conn.execute(
        """SELECT deposit_address FROM account WHERE EXISTS (
             SELECT FROM transfer WHERE kind = 'deposit' AND credit = address)"""
    )
    return [address for (address,) in rows]


def list_moving(conn: Connection) -> list[Moving]:
    with conn.cursor(row_factory=class_row(Moving)) as cursor:
        return cursor.execute(
            """SELECT extrinsic_hash, (
                 SELECT coalesce(sum(amount_rao), 0) FROM (
                   SELECT amount_rao FROM payout WHERE payment_id = payment.id
                   UNION ALL SELECT amount_rao FROM refund WHERE payment_id = payment.id
                 ) AS line)::BIGINT AS amount_rao
               FROM payment WHERE state = 'signed'"""
        ).fetchall()


def list_problems(conn: Connection) -> list[str]:
    """Return where two places of the books tell different amounts, in words."""
    return [
        f"{place}: {found} rao, its rows come to {expected}"
        for place, found, expected in (
            *_differing_balances(conn),
            *_differing_reservations(conn),
            *_differing_shares(conn),
            *_differing_refunds(conn),
        )
    ]


def _differing_balances(conn: Connection) -> list[tuple[str, int, int]]:
    """A consumer's balance is the sum of the rows of the account."""
    return conn.execute(
        """SELECT 'balance of ' || address, balance_rao, coalesce(total, 0) FROM account
           LEFT JOIN (
             SELECT side, sum(amount) AS total FROM (
               SELECT credit AS side, amount_rao AS amount FROM transfer
               UNION ALL SELECT debit, -amount_rao FROM transfer
             ) AS movement GROUP BY side
           ) AS sides ON side = address
           WHERE balance_rao <> coalesce(total, 0)"""
    ).fetchall()


def _differing_reservations(conn: Connection) -> list[tuple[str, int, int]]:
    """What is reserved is the sum of the calls under way."""
    return conn.execute(
        """SELECT 'reservation of ' || address, account.reserved_rao, coalesce(total, 0)
           FROM account LEFT JOIN (
             SELECT account, sum(reserved_rao) AS total FROM call
             WHERE state = 'reserved' GROUP BY account
           ) AS held ON held.account = address
           WHERE account.reserved_rao <> coalesce(total, 0)"""
    ).fetchall()


def _differing_shares(conn: Connection) -> list[tuple[str, int, int]]:
    """What a Server is owed is the sum of the shares that no settled payout paid."""
    return conn.execute(
        """WITH booked AS (
             SELECT side, sum(amount) AS total FROM (
               SELECT credit AS side, amount_rao AS amount FROM transfer WHERE kind = 'share'
               UNION ALL SELECT debit, -amount_rao FROM transfer WHERE kind = 'payout'
             ) AS movement GROUP BY side
           ), owed AS (
             SELECT 'server:' || server_coldkey AS side, sum(share_rao) AS total FROM call
             LEFT JOIN payout ON payout.id = payout_id
             LEFT JOIN payment ON payment.id = payment_id
             WHERE share_rao > 0 AND payment.state IS DISTINCT FROM 'settled'
             GROUP BY server_coldkey
           )
           SELECT 'debt to ' || side, coalesce(booked.total, 0), coalesce(owed.total, 0)
           FROM booked FULL JOIN owed USING (side)
           WHERE coalesce(booked.total, 0) <> coalesce(owed.total, 0)"""
    ).fetchall()


def _differing_refunds(conn: Connection) -> list[tuple[str, int, int]]:
    """What consumers asked back is the sum of the refunds that no settled payment sent."""
    return conn.execute(
        """SELECT 'refunds', booked.total, waiting.total FROM (
             SELECT coalesce(sum(CASE kind WHEN 'refund' THEN amount_rao ELSE -amount_rao END), 0)
               AS total FROM transfer WHERE kind IN ('refund', 'refunded')
           ) AS booked, (
             SELECT coalesce(sum(amount_rao), 0) AS total FROM refund
             LEFT JOIN payment ON payment.id = payment_id
             WHERE payment.state IS DISTINCT FROM 'settled'
           ) AS waiting WHERE booked.total <> waiting.total"""
    ).fetchall()
