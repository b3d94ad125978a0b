"""Every query about deposits, withdrawals and the exchange's addresses."""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb


@dataclass(frozen=True, slots=True)
class Deposit:
    asset: str
    height: int
    event_index: int
    account_id: int
    amount: int
    address: str
    transaction_id: str
    credited_ms: int


@dataclass(frozen=True, slots=True)
class Withdrawal:
    withdrawal_id: int
    account_id: int
    asset: str
    amount: int
    fee: int
    address: str
    client_withdrawal_id: str
    status: str
    requested_ms: int
    completed_ms: int | None
    extrinsic: dict[str, Any] | None
    extrinsic_hash: str | None


@dataclass(frozen=True, slots=True)
class ChainView:
    """Which chain is followed, and the next block to look at."""

    wallet_address: str
    genesis_hash: str
    next_height: int


def insert_deposit_address(conn: Connection, account_id: int, address: str) -> None:
    conn.execute(
        "INSERT INTO deposit_address (account_id, address) VALUES (%s, %s)"
        " ON CONFLICT (account_id) DO NOTHING",
        (account_id, address),
    )


def find_deposit_accounts(conn: Connection, addresses: list[str]) -> dict[str, int]:
    """Return the account of each of the addresses that is a deposit address."""
    rows = conn.execute(
        "SELECT address, account_id FROM deposit_address WHERE address = ANY(%s)", (addresses,)
    ).fetchall()
    return dict(rows)


def mark_for_sweep(conn: Connection, account_ids: list[int]) -> None:
    conn.execute(
        "UPDATE deposit_address SET sweep_due = true WHERE account_id = ANY(%s)", (account_ids,)
    )


def list_sweeps_due(conn: Connection) -> list[int]:
    rows = conn.execute("SELECT account_id FROM deposit_address WHERE sweep_due").fetchall()
    return [row[0] for row in rows]


def mark_swept(conn: Connection, account_id: int) -> None:
    conn.execute(
        "UPDATE deposit_address SET sweep_due = false WHERE account_id = %s", (account_id,)
    )


def list_deposits(
    conn: Connection, account_id: int, asset: str, start_ms: int, end_ms: int, limit: int
) -> list[Deposit]:
    with conn.cursor(row_factory=class_row(Deposit)) as cursor:
        return cursor.execute(
            "SELECT * FROM deposit WHERE account_id = %(account_id)s"
            " AND (%(asset)s = '' OR asset = %(asset)s)"
            " AND credited_ms BETWEEN %(start)s AND %(end)s"
            " ORDER BY credited_ms DESC, height DESC, event_index DESC LIMIT %(limit)s",
            {
                "account_id": account_id,
                "asset": asset,
                "start": start_ms,
                "end": end_ms,
                "limit": limit,
            },
        ).fetchall()


def list_withdrawals(
    conn: Connection,
    account_id: int,
    asset: str,
    client_withdrawal_id: str,
    start_ms: int,
    end_ms: int,
    limit: int,
) -> list[Withdrawal]:
    with conn.cursor(row_factory=class_row(Withdrawal)) as cursor:
        return cursor.execute(
            "SELECT * FROM withdrawal WHERE account_id = %(account_id)s"
            " AND (%(asset)s = '' OR asset = %(asset)s)"
            " AND (%(client)s = '' OR client_withdrawal_id = %(client)s)"
            " AND requested_ms BETWEEN %(start)s AND %(end)s"
            " ORDER BY withdrawal_id DESC LIMIT %(limit)s",
            {
                "account_id": account_id,
                "asset": asset,
                "client": client_withdrawal_id,
                "start": start_ms,
                "end": end_ms,
                "limit": limit,
            },
        ).fetchall()


def find_withdrawal_by_name(
    conn: Connection, account_id: int, client_withdrawal_id: str
) -> int | None:
    row = conn.execute(
        "SELECT withdrawal_id FROM withdrawal WHERE account_id = %s AND client_withdrawal_id = %s",
        (account_id, client_withdrawal_id),
    ).fetchone()
    return row[0] if row else None


def find_next_withdrawal(conn: Connection) -> Withdrawal | None:
    """Return the one withdrawal to work on: the oldest that is not closed."""
    with conn.cursor(row_factory=class_row(Withdrawal)) as cursor:
        return cursor.execute(
            "SELECT * FROM withdrawal WHERE status IN ('requested', 'signed')"
            " ORDER BY withdrawal_id LIMIT 1"
        ).fetchone()


def find_signed_withdrawal(conn: Connection, nonce: int) -> Withdrawal | None:
    """Return the withdrawal whose stored payment has this nonce of the hot wallet."""
    with conn.cursor(row_factory=class_row(Withdrawal)) as cursor:
        return cursor.execute(
            "SELECT * FROM withdrawal WHERE status = 'signed'"
            " AND (extrinsic->>'nonce')::bigint = %s",
            (nonce,),
        ).fetchone()


def count_pending_withdrawals(conn: Connection) -> int:
    row = conn.execute(
        "SELECT count(*) FROM withdrawal WHERE status IN ('requested', 'signed')"
    ).fetchone()
    assert row is not None
    count: int = row[0]
    return count


def save_payment(conn: Connection, withdrawal_id: int, extrinsic: dict[str, Any]) -> None:
    """Store the signed bytes before they are sent: from now on, these and no others."""
    conn.execute(
        "UPDATE withdrawal SET status = 'signed', extrinsic = %s"
        " WHERE withdrawal_id = %s AND status = 'requested'",
        (Jsonb(extrinsic), withdrawal_id),
    )


def save_payment_hash(conn: Connection, withdrawal_id: int, extrinsic_hash: str) -> None:
    conn.execute(
        "UPDATE withdrawal SET extrinsic_hash = %s WHERE withdrawal_id = %s",
        (extrinsic_hash, withdrawal_id),
    )


def drop_expired_payments(conn: Connection, height: int) -> None:
    """Let payments be signed anew that were not in any block up to here and never will be."""
    conn.execute(
        "UPDATE withdrawal SET status = 'requested', extrinsic = NULL, extrinsic_hash = NULL"
        " WHERE status = 'signed' AND (extrinsic->>'last_valid_block')::bigint <= %s",
        (height,),
    )


def load_chain_view(conn: Connection) -> ChainView | None:
    with conn.cursor(row_factory=class_row(ChainView)) as cursor:
        return cursor.execute(
            "SELECT wallet_address, genesis_hash, next_height FROM chain_view"
        ).fetchone()


def insert_chain_view(conn: Connection, view: ChainView) -> None:
    conn.execute(
        "INSERT INTO chain_view (wallet_address, genesis_hash, next_height) VALUES (%s, %s, %s)",
        (view.wallet_address, view.genesis_hash, view.next_height),
    )


def save_next_height(conn: Connection, next_height: int) -> None:
    conn.execute("UPDATE chain_view SET next_height = %s", (next_height,))
