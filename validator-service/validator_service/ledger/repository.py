"""Every SQL statement of the books, and nothing else. Each movement of money is one statement.

All lock an account first and its key after it, so that no two wait for each other."""

from dataclasses import dataclass

from psycopg import Connection, Cursor
from psycopg.rows import class_row

from validator_service.ledger.movement_repository import RELEASE, RESERVE, SETTLE, SHARE_ALSO


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
class Booking:
    """What is set aside for a call, and for whom."""

    request_id: str
    account: str
    key_id: str
    model: str
    amount_rao: int
    idempotency_key: str | None = None
    """The consumer's own name for the call, by which it happens once."""


@dataclass(frozen=True)
class Part:
    """What one Server had in a call."""

    server_uid: int
    server_hotkey: str
    server_coldkey: str
    """Whose account in the books the share goes to."""
    cost_rao: int
    share_rao: int
    """The Server's part of the cost."""


@dataclass(frozen=True)
class Settlement:
    """How a call ended."""

    request_id: str
    prompt_tokens: int
    completion_tokens: int
    first: Part
    others: tuple[Part, ...] = ()
    """Servers besides, where several answered together."""

    @property
    def cost_rao(self) -> int:
        return sum(part.cost_rao for part in (self.first, *self.others))


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


def reserve(conn: Connection, booking: Booking, seconds: float) -> Cursor[tuple[str]]:
    """
    Set the amount aside for a call, of the account's balance and of the key's cap.

    Gives no row, and changes nothing, where one of them does not allow it, and where the
    consumer's own idempotency key has a call already.
    """
    return conn.execute(RESERVE, {**vars(booking), "seconds": seconds})


def settle(conn: Connection, settlement: Settlement) -> Cursor[tuple[str]]:
    """Take what the call cost, free the rest; no row where the call is not under way any more."""
    settled = conn.execute(
        SETTLE,
        {
            **vars(settlement.first),
            "request_id": settlement.request_id,
            "prompt_tokens": settlement.prompt_tokens,
            "completion_tokens": settlement.completion_tokens,
            "total_rao": settlement.cost_rao,
        },
    )
    for place, part in enumerate(settlement.others, start=2):
        values = {**vars(part), "request_id": settlement.request_id, "place": str(place)}
        conn.execute(SHARE_ALSO, values)
    return settled


def release(conn: Connection, request_id: str) -> Cursor[tuple[str]]:
    """Free what was set aside for a call that came to nothing."""
    return conn.execute(RELEASE, {"request_id": request_id})


def keep_alive(conn: Connection, request_ids: list[str], seconds: float) -> None:
    """Let calls that are under way hold their money for so much longer."""
    conn.execute(
        """UPDATE call SET expires_at = now() + make_interval(secs => %s)
           WHERE request_id = ANY(%s) AND state = 'reserved'""",
        (seconds, request_ids),
    )


def release_expired(conn: Connection) -> int:
    """Free what was set aside for calls whose gateway died; return how many accounts had such."""
    row = conn.execute(
        """WITH gone AS (
             UPDATE call SET state = 'released', idempotency_key = NULL
             WHERE state = 'reserved' AND expires_at < now()
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
