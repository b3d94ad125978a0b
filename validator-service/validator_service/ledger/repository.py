"""Every SQL statement of the books, and nothing else. Each movement of money is one statement.

All lock an account first and its key after it, so that no two wait for each other."""

from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import class_row

from validator_service.ledger.key_repository import Caller


@dataclass(frozen=True)
class Account:
    address: str
    number: int
    deposit_address: str | None
    balance_rao: int
    """All that was paid in and not spent."""
    reserved_rao: int
    """The part of it that calls under way may still cost."""


@dataclass(frozen=True)
class Settlement:
    """How a call ended."""

    request_id: str
    prompt_tokens: int
    completion_tokens: int
    cost_rao: int
    server_uid: int
    server_hotkey: str
    server_coldkey: str
    """Whose account in the books the share goes to."""
    share_rao: int
    """The Server's part of the cost."""


def add_account(conn: Connection, address: str) -> None:
    conn.execute("INSERT INTO account (address) VALUES (%s) ON CONFLICT DO NOTHING", (address,))


def load_account(conn: Connection, address: str) -> Account:
    with conn.cursor(row_factory=class_row(Account)) as cursor:
        cursor.execute(
            """SELECT address, number, deposit_address, balance_rao::BIGINT AS balance_rao,
                      reserved_rao::BIGINT AS reserved_rao
               FROM account WHERE address = %s""",
            (address,),
        )
        account = cursor.fetchone()
    assert account is not None
    return account


def save_deposit_address(conn: Connection, address: str, deposit_address: str) -> None:
    conn.execute(
        "UPDATE account SET deposit_address = %s WHERE address = %s", (deposit_address, address)
    )


def reserve(
    conn: Connection, request_id: str, caller: Caller, model: str, amount_rao: int, seconds: float
) -> bool:
    """
    Set the amount aside for a call, of the account's balance and of the key's cap.

    False where one of them does not allow it: then the transaction must not be committed.
    """
    row = conn.execute(
        """WITH held AS (
             UPDATE account SET reserved_rao = reserved_rao + %(amount)s
             WHERE address = %(account)s AND balance_rao - reserved_rao >= %(amount)s
             RETURNING address
           ), allowed AS (
             UPDATE api_key SET reserved_rao = reserved_rao + %(amount)s
             FROM held
             WHERE id = %(key_id)s AND account = held.address AND revoked_at IS NULL
               AND (expires_at IS NULL OR expires_at > now())
               AND (cap_rao IS NULL OR spent_rao + reserved_rao + %(amount)s <= cap_rao)
             RETURNING id, account
           )
           INSERT INTO call (request_id, account, key_id, model, reserved_rao, expires_at)
           SELECT %(request_id)s, account, id, %(model)s, %(amount)s,
                  now() + make_interval(secs => %(seconds)s)
           FROM allowed RETURNING request_id""",
        {
            **{"request_id": request_id, "account": caller.account, "key_id": caller.key_id},
            **{"model": model, "amount": amount_rao, "seconds": seconds},
        },
    ).fetchone()
    return row is not None


def settle(conn: Connection, settlement: Settlement) -> bool:
    """Take what the call cost, free the rest; False where the call is not under way any more."""
    row = conn.execute(
        """WITH done AS (
             UPDATE call SET state = 'settled', cost_rao = %(cost_rao)s,
               prompt_tokens = %(prompt_tokens)s, completion_tokens = %(completion_tokens)s,
               server_uid = %(server_uid)s, server_hotkey = %(server_hotkey)s,
               server_coldkey = %(server_coldkey)s, share_rao = %(share_rao)s
             WHERE request_id = %(request_id)s AND state = 'reserved'
             RETURNING request_id, account, key_id, reserved_rao
           ), paid AS (
             UPDATE account SET balance_rao = balance_rao - %(cost_rao)s,
               reserved_rao = account.reserved_rao - done.reserved_rao
             FROM done WHERE address = done.account RETURNING key_id, done.reserved_rao AS freed
           ), counted AS (
             UPDATE api_key SET spent_rao = spent_rao + %(cost_rao)s,
               reserved_rao = reserved_rao - freed
             FROM paid WHERE id = key_id
           ), booked AS (
             INSERT INTO transfer (kind, reference, debit, credit, amount_rao)
             SELECT 'usage', request_id, account, 'revenue', %(cost_rao)s FROM done
             WHERE %(cost_rao)s > 0
           ), shared AS (
             INSERT INTO transfer (kind, reference, debit, credit, amount_rao)
             SELECT 'share', request_id, 'revenue', 'server:' || %(server_coldkey)s,
                    %(share_rao)s FROM done
             WHERE %(share_rao)s > 0
           )
           SELECT request_id FROM done""",
        vars(settlement),
    ).fetchone()
    return row is not None


def release(conn: Connection, request_id: str) -> None:
    """Free what was set aside for a call that came to nothing."""
    conn.execute(
        """WITH done AS (
             UPDATE call SET state = 'released' WHERE request_id = %s AND state = 'reserved'
             RETURNING account, key_id, reserved_rao
           ), freed AS (
             UPDATE account SET reserved_rao = account.reserved_rao - done.reserved_rao
             FROM done WHERE address = done.account
             RETURNING key_id, done.reserved_rao AS amount
           )
           UPDATE api_key SET reserved_rao = reserved_rao - amount FROM freed WHERE id = key_id""",
        (request_id,),
    )


def release_expired(conn: Connection) -> int:
    """Free what was set aside for calls whose gateway died; return how many accounts had such."""
    row = conn.execute(
        """WITH gone AS (
             UPDATE call SET state = 'released' WHERE state = 'reserved' AND expires_at < now()
             RETURNING account, key_id, reserved_rao
           ), sums AS (
             SELECT account, sum(reserved_rao) AS total FROM gone GROUP BY account
           ), freed AS (
             UPDATE account SET reserved_rao = reserved_rao - total
             FROM sums WHERE address = sums.account RETURNING address
           ), keys AS (
             UPDATE api_key SET reserved_rao = reserved_rao - total
             FROM (SELECT key_id, sum(reserved_rao) AS total FROM gone GROUP BY key_id) AS each
             WHERE id = key_id AND EXISTS (SELECT FROM freed)
           )
           SELECT count(*) FROM freed"""
    ).fetchone()
    assert row is not None
    released: int = row[0]
    return released


def load_cursor(conn: Connection) -> int:
    row = conn.execute("SELECT height FROM deposit_cursor").fetchone()
    assert row is not None
    height: int = row[0]
    return height


def save_cursor(conn: Connection, height: int) -> None:
    conn.execute("UPDATE deposit_cursor SET height = greatest(height, %s)", (height,))


def credit_deposit(conn: Connection, reference: str, receiver: str, amount_rao: int) -> bool:
    """Credit a transfer to whose deposit address it reached, once; False where it is nobody's."""
    row = conn.execute(
        """WITH booked AS (
             INSERT INTO transfer (kind, reference, debit, credit, amount_rao)
             SELECT 'deposit', %(reference)s, 'chain', address, %(amount_rao)s
             FROM account WHERE deposit_address = %(receiver)s
             ON CONFLICT DO NOTHING RETURNING credit
           )
           UPDATE account SET balance_rao = balance_rao + %(amount_rao)s
           FROM booked WHERE address = booked.credit RETURNING address""",
        {"reference": reference, "receiver": receiver, "amount_rao": amount_rao},
    ).fetchone()
    return row is not None


def fund_treasury(conn: Connection, reference: str, sender: str, amount_rao: int) -> None:
    """Book what came to the treasury from outside, once; sweeps come from our own addresses."""
    conn.execute(
        """INSERT INTO transfer (kind, reference, debit, credit, amount_rao)
           SELECT 'funding', %(reference)s, 'chain', 'capital', %(amount_rao)s
           WHERE NOT EXISTS (SELECT FROM account WHERE deposit_address = %(sender)s)
           ON CONFLICT DO NOTHING""",
        {"reference": reference, "sender": sender, "amount_rao": amount_rao},
    )


def sum_balances(conn: Connection) -> dict[str, int]:
    """Return every side of the books with what its rows come to."""
    rows = conn.execute(
        """SELECT side, sum(amount)::BIGINT FROM (
             SELECT credit AS side, amount_rao AS amount FROM transfer
             UNION ALL SELECT debit, -amount_rao FROM transfer
           ) AS movement GROUP BY side"""
    )
    return {side: int(amount) for side, amount in rows}
