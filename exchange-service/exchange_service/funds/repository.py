"""Every query about deposits, withdrawals and the exchange's addresses."""

from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

ACCOUNT_LOCK: Final = 0xACC7
WITHDRAWAL_COLUMNS: Final[LiteralString] = (
    "withdrawal_id, account_id, asset, amount, fee, address, client_withdrawal_id, status,"
    " requested_ms, completed_ms, extrinsic, extrinsic_hash"
)


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
class WithdrawalAddress:
    """A line of an account's allow-list."""

    account_id: int
    asset: str
    address: str
    label: str
    added_ms: int


@dataclass(frozen=True, slots=True)
class ChainView:
    """Which chain is followed, and the next block to look at."""

    wallet_address: str
    genesis_hash: str
    next_height: int


def insert_deposit_address(conn: Connection, account_id: int, asset: str, address: str) -> None:
    conn.execute(
        "INSERT INTO deposit_address (account_id, asset, address) VALUES (%s, %s, %s)"
        " ON CONFLICT (account_id, asset) DO NOTHING",
        (account_id, asset, address),
    )


def find_deposit_address(conn: Connection, account_id: int, asset: str) -> str | None:
    row = conn.execute(
        "SELECT address FROM deposit_address WHERE account_id = %s AND asset = %s",
        (account_id, asset),
    ).fetchone()
    return row[0] if row else None


def list_deposit_addresses(conn: Connection, asset: str) -> dict[int, str]:
    """Return every deposit address that was ever given out, by account."""
    rows = conn.execute(
        "SELECT account_id, address FROM deposit_address WHERE asset = %s", (asset,)
    ).fetchall()
    return dict(rows)


def find_deposit_accounts(conn: Connection, addresses: list[str]) -> dict[str, int]:
    """Return the account of each of the addresses that is a deposit address."""
    rows = conn.execute(
        "SELECT address, account_id FROM deposit_address WHERE asset = 'TAO' AND address = ANY(%s)",
        (addresses,),
    ).fetchall()
    return dict(rows)


def mark_for_sweep(conn: Connection, account_ids: list[int]) -> None:
    conn.execute(
        "UPDATE deposit_address SET sweep_due = true WHERE asset = 'TAO' AND account_id = ANY(%s)",
        (account_ids,),
    )


def list_sweeps_due(conn: Connection) -> list[tuple[int, str]]:
    """Return account and address of each place that TAO came in at."""
    return conn.execute(
        "SELECT account_id, address FROM deposit_address WHERE sweep_due"
    ).fetchall()


def mark_swept(conn: Connection, account_id: int) -> None:
    conn.execute(
        "UPDATE deposit_address SET sweep_due = false WHERE asset = 'TAO' AND account_id = %s",
        (account_id,),
    )


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
            f"SELECT {WITHDRAWAL_COLUMNS} FROM withdrawal"  # noqa: S608
            " WHERE account_id = %(account_id)s"
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


def find_named_withdrawal(conn: Connection, account_id: int, name: str) -> Withdrawal | None:
    """Return an account's withdrawal by the name that the account gave it."""
    with conn.cursor(row_factory=class_row(Withdrawal)) as cursor:
        return cursor.execute(
            f"SELECT {WITHDRAWAL_COLUMNS} FROM withdrawal"  # noqa: S608
            " WHERE account_id = %s AND client_withdrawal_id = %s AND client_withdrawal_id <> ''",
            (account_id, name),
        ).fetchone()


def list_pending_withdrawals(conn: Connection, asset: str) -> list[Withdrawal]:
    """Return what is to be paid, what was signed before first."""
    with conn.cursor(row_factory=class_row(Withdrawal)) as cursor:
        return cursor.execute(
            f"SELECT {WITHDRAWAL_COLUMNS} FROM withdrawal"  # noqa: S608
            " WHERE status IN ('requested', 'signed') AND asset = %s"
            " ORDER BY status DESC, withdrawal_id",
            (asset,),
        ).fetchall()


def list_cancelling(conn: Connection) -> list[int]:
    rows = conn.execute("SELECT withdrawal_id FROM withdrawal WHERE status = 'cancelling'")
    return [row[0] for row in rows]


def mark_cancelling(conn: Connection, account_id: int, withdrawal_id: int) -> bool:
    """Take a withdrawal back before it is signed; False: it is too late, or nobody's."""
    cursor = conn.execute(
        "UPDATE withdrawal SET status = 'cancelling'"
        " WHERE withdrawal_id = %s AND account_id = %s AND status = 'requested'",
        (withdrawal_id, account_id),
    )
    return cursor.rowcount == 1


def lock_account(conn: Connection, account_id: int) -> None:
    """Let one request of an account at a time look at its limits, until the transaction ends."""
    conn.execute("SELECT pg_advisory_xact_lock(%s, %s)", (ACCOUNT_LOCK, account_id))


def sum_requested_since(conn: Connection, account_id: int, asset: str, since_ms: int) -> int:
    row = conn.execute(
        "SELECT COALESCE(sum(amount), 0) FROM withdrawal WHERE account_id = %s AND asset = %s"
        " AND requested_ms > %s AND status <> 'failed'",
        (account_id, asset, since_ms),
    ).fetchone()
    assert row is not None
    return int(row[0])


def add_withdrawal_address(conn: Connection, row: WithdrawalAddress) -> None:
    conn.execute(
        "INSERT INTO withdrawal_address (account_id, asset, address, label, added_ms)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (account_id, asset, address)"
        " DO UPDATE SET label = EXCLUDED.label",
        (row.account_id, row.asset, row.address, row.label, row.added_ms),
    )


def remove_withdrawal_address(conn: Connection, account_id: int, asset: str, address: str) -> bool:
    cursor = conn.execute(
        "DELETE FROM withdrawal_address WHERE account_id = %s AND asset = %s AND address = %s",
        (account_id, asset, address),
    )
    return cursor.rowcount == 1


def list_withdrawal_addresses(conn: Connection, account_id: int) -> list[WithdrawalAddress]:
    with conn.cursor(row_factory=class_row(WithdrawalAddress)) as cursor:
        return cursor.execute(
            "SELECT account_id, asset, address, label, added_ms FROM withdrawal_address"
            " WHERE account_id = %s ORDER BY asset, added_ms",
            (account_id,),
        ).fetchall()


def enforce_allow_list(conn: Connection, account_id: int, enforced: bool, now_ms: int) -> None:
    conn.execute(
        "INSERT INTO allow_list (account_id, enforced, changed_ms) VALUES (%s, %s, %s)"
        " ON CONFLICT (account_id) DO UPDATE SET enforced = EXCLUDED.enforced,"
        " changed_ms = EXCLUDED.changed_ms WHERE allow_list.enforced <> EXCLUDED.enforced",
        (account_id, enforced, now_ms),
    )


def find_signed_withdrawal(conn: Connection, nonce: int) -> Withdrawal | None:
    """Return the withdrawal whose stored payment has this nonce of the hot wallet."""
    with conn.cursor(row_factory=class_row(Withdrawal)) as cursor:
        return cursor.execute(
            f"SELECT {WITHDRAWAL_COLUMNS} FROM withdrawal"  # noqa: S608
            " WHERE status = 'signed' AND asset = 'TAO'"
            " AND (extrinsic->>'nonce')::bigint = %s",
            (nonce,),
        ).fetchone()


def save_payment_hash(conn: Connection, withdrawal_id: int, extrinsic_hash: str) -> None:
    conn.execute(
        "UPDATE withdrawal SET extrinsic_hash = %s WHERE withdrawal_id = %s",
        (extrinsic_hash, withdrawal_id),
    )


def drop_expired_payments(conn: Connection, height: int) -> None:
    """Let payments be signed anew that were not in any block up to here and never will be."""
    conn.execute(
        "UPDATE withdrawal SET status = 'requested', extrinsic = NULL, extrinsic_hash = NULL,"
        " signed_ms = NULL"
        " WHERE status = 'signed' AND asset = 'TAO'"
        " AND (extrinsic->>'last_valid_block')::bigint <= %s",
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
