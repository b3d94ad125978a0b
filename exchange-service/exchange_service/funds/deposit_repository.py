"""Deposits, from the first block that has one until it may be withdrawn, or is taken back."""

from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, slots=True)
class Pending:
    """A deposit in a block that is not deep enough to be booked."""

    asset: str
    height: int
    event_index: int
    account_id: int
    amount: int
    address: str
    transaction_id: str


@dataclass(frozen=True, slots=True)
class Deposit:
    """A deposit, pending or credited."""

    asset: str
    height: int
    event_index: int
    account_id: int
    amount: int
    address: str
    transaction_id: str
    seen_ms: int
    credited_ms: int | None
    """None: it is not deep enough."""
    reversed_ms: int | None
    """When it was taken back, for its block was gone."""
    unlocked: bool
    """Whether it may be withdrawn."""
    tip: int | None
    """The chain's height, as far as it is known."""


def save_tip(conn: Connection, asset: str, height: int) -> None:
    """Note how high a chain is."""
    conn.execute(
        "INSERT INTO chain_tip (asset, height) VALUES (%s, %s)"
        " ON CONFLICT (asset) DO UPDATE SET height = EXCLUDED.height",
        (asset, height),
    )


def insert_pending(conn: Connection, pending: list[Pending], now_ms: int) -> None:
    """Note deposits that wait for their confirmations; one noted before stays as it was."""
    for one in pending:
        conn.execute(
            "INSERT INTO pending_deposit (asset, height, event_index, account_id, amount, address,"
            " transaction_id, seen_ms) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (asset, transaction_id, event_index)"
            " DO UPDATE SET height = EXCLUDED.height",
            (
                one.asset,
                one.height,
                one.event_index,
                one.account_id,
                one.amount,
                one.address,
                one.transaction_id,
                now_ms,
            ),
        )


def remove_pending(conn: Connection, asset: str, upto: int) -> None:
    """Forget what waited in blocks up to a height: they are booked."""
    conn.execute("DELETE FROM pending_deposit WHERE asset = %s AND height <= %s", (asset, upto))


def keep_pending(conn: Connection, asset: str, transaction_ids: list[str]) -> None:
    """Forget what waits in none of these transactions any longer."""
    conn.execute(
        "DELETE FROM pending_deposit WHERE asset = %s AND transaction_id <> ALL(%s)",
        (asset, transaction_ids),
    )


def owes_shortfall(conn: Connection, account_id: int) -> bool:
    """Tell whether an account owes a deposit that was taken back after it was spent."""
    row = conn.execute(
        "SELECT FROM shortfall WHERE account_id = %s AND amount_sat > 0", (account_id,)
    ).fetchone()
    return row is not None


def list_deposits(
    conn: Connection, account_id: int, asset: str, start_ms: int, end_ms: int, limit: int
) -> list[Deposit]:
    with conn.cursor(row_factory=class_row(Deposit)) as cursor:
        return cursor.execute(
            "SELECT d.*, d.asset = 'TAO' OR COALESCE(c.unlocked, false) AS unlocked,"
            " t.height AS tip FROM ("
            "  SELECT asset, height, event_index, account_id, amount, address, transaction_id,"
            "   credited_ms AS seen_ms, credited_ms, reversed_ms FROM deposit"
            "   WHERE account_id = %(account_id)s"
            "  UNION ALL SELECT asset, height, event_index, account_id, amount, address,"
            "   transaction_id, seen_ms, NULL, NULL FROM pending_deposit"
            "   WHERE account_id = %(account_id)s) AS d"
            " LEFT JOIN chain_tip AS t USING (asset)"
            " LEFT JOIN bitcoin_coin AS c ON d.asset = 'BTC'"
            "  AND c.txid = d.transaction_id AND c.vout = d.event_index"
            " WHERE (%(asset)s = '' OR asset = %(asset)s)"
            " AND d.seen_ms BETWEEN %(start)s AND %(end)s"
            " ORDER BY d.seen_ms DESC, d.height DESC, d.event_index DESC LIMIT %(limit)s",
            {
                "account_id": account_id,
                "asset": asset,
                "start": start_ms,
                "end": end_ms,
                "limit": limit,
            },
        ).fetchall()
