"""What the signer reads of the outbox, and the payments it writes there."""

from dataclasses import dataclass
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from exchange_service.domain.payout import AllowList
from exchange_service.domain.spending import Coin

HOT_WALLET_LOCK: Final = 0x407A


@dataclass(frozen=True, slots=True)
class DueWithdrawal:
    withdrawal_id: int
    account_id: int
    asset: str
    amount: int
    fee: int
    address: str
    status: str
    requested_ms: int

    @property
    def sent(self) -> int:
        """What the receiver gets."""
        return self.amount - self.fee


@dataclass(frozen=True, slots=True)
class Payment:
    """One version of a Bitcoin payment."""

    txid: str
    withdrawal_id: int
    raw: str
    fee_sat: int
    virtual_bytes: int
    signed_height: int


def lock_withdrawal(conn: Connection, withdrawal_id: int) -> DueWithdrawal | None:
    """Return a withdrawal that nobody else can change until this transaction ends."""
    with conn.cursor(row_factory=class_row(DueWithdrawal)) as cursor:
        return cursor.execute(
            "SELECT withdrawal_id, account_id, asset, amount, fee, address, status, requested_ms"
            " FROM withdrawal WHERE withdrawal_id = %s FOR UPDATE",
            (withdrawal_id,),
        ).fetchone()


def lock_hot_wallet(conn: Connection) -> None:
    """Let one payment of TAO at a time be signed, until the transaction ends."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (HOT_WALLET_LOCK,))


def has_signed_tao(conn: Connection) -> bool:
    """Tell whether a payment of TAO is signed and not closed: it has the hot wallet's nonce."""
    row = conn.execute(
        "SELECT FROM withdrawal WHERE status = 'signed' AND asset = 'TAO' LIMIT 1"
    ).fetchone()
    return row is not None


def sum_signed_since(conn: Connection, asset: str, since_ms: int) -> int:
    row = conn.execute(
        "SELECT COALESCE(sum(amount), 0) FROM withdrawal"
        " WHERE asset = %s AND signed_ms > %s AND status <> 'failed'",
        (asset, since_ms),
    ).fetchone()
    assert row is not None
    return int(row[0])


def load_allow_list(conn: Connection, account_id: int, asset: str, address: str) -> AllowList:
    row = conn.execute(
        "SELECT l.enforced, l.changed_ms, a.added_ms"
        " FROM (SELECT %(account)s::bigint AS account_id) AS asked"
        " LEFT JOIN allow_list AS l USING (account_id)"
        " LEFT JOIN withdrawal_address AS a ON a.account_id = asked.account_id"
        "  AND a.asset = %(asset)s AND a.address = %(address)s",
        {"account": account_id, "asset": asset, "address": address},
    ).fetchone()
    assert row is not None
    return AllowList(bool(row[0]), row[1] or 0, row[2])


def save_extrinsic(
    conn: Connection, withdrawal_id: int, extrinsic: dict[str, Any], now_ms: int
) -> None:
    """Store the signed bytes before anybody can send them: from now on, these and no others."""
    conn.execute(
        "UPDATE withdrawal SET status = 'signed', extrinsic = %s, signed_ms = %s"
        " WHERE withdrawal_id = %s",
        (Jsonb(extrinsic), now_ms, withdrawal_id),
    )


def lock_coins(conn: Connection, outpoints: list[tuple[str, int]]) -> list[Coin]:
    """Return those of the coins that are free to be spent, locked, in the order asked for."""
    rows = conn.execute(
        "SELECT c.txid, c.vout, c.amount_sat, c.account_id FROM bitcoin_coin AS c"
        " JOIN unnest(%s::text[], %s::int[]) WITH ORDINALITY AS o (txid, vout, place)"
        "  USING (txid, vout)"
        " WHERE c.withdrawal_id IS NULL AND c.height IS NOT NULL ORDER BY o.place FOR UPDATE OF c",
        ([txid for txid, _ in outpoints], [vout for _, vout in outpoints]),
    ).fetchall()
    return [Coin(*row) for row in rows]


def list_payment_coins(conn: Connection, withdrawal_id: int) -> list[Coin]:
    """Return the coins that all versions of a payment spend."""
    rows = conn.execute(
        "SELECT txid, vout, amount_sat, account_id FROM bitcoin_coin WHERE withdrawal_id = %s"
        " ORDER BY amount_sat DESC, txid, vout",
        (withdrawal_id,),
    ).fetchall()
    return [Coin(*row) for row in rows]


def reserve_coins(conn: Connection, withdrawal_id: int, coins: list[Coin]) -> None:
    conn.execute(
        "UPDATE bitcoin_coin AS c SET withdrawal_id = %s"
        " FROM unnest(%s::text[], %s::int[]) AS o (txid, vout)"
        " WHERE c.txid = o.txid AND c.vout = o.vout",
        (withdrawal_id, [coin.txid for coin in coins], [coin.vout for coin in coins]),
    )


def insert_payment(conn: Connection, payment: Payment, now_ms: int) -> None:
    conn.execute(
        "INSERT INTO bitcoin_payment (txid, withdrawal_id, raw, fee_sat, virtual_bytes,"
        " signed_height) VALUES (%s, %s, %s, %s, %s, %s)",
        (
            payment.txid,
            payment.withdrawal_id,
            payment.raw,
            payment.fee_sat,
            payment.virtual_bytes,
            payment.signed_height,
        ),
    )
    conn.execute(
        "UPDATE withdrawal SET status = 'signed', signed_ms = COALESCE(signed_ms, %s)"
        " WHERE withdrawal_id = %s",
        (now_ms, payment.withdrawal_id),
    )


def find_dearest_fee(conn: Connection, withdrawal_id: int) -> int:
    """Return the fee of a payment's last version; 0: there is none."""
    row = conn.execute(
        "SELECT COALESCE(max(fee_sat), 0) FROM bitcoin_payment WHERE withdrawal_id = %s",
        (withdrawal_id,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def list_reserve_accounts(conn: Connection) -> list[tuple[str, int]]:
    """Return asset and account of every deposit address that was ever given out."""
    return conn.execute(
        "SELECT asset, account_id FROM deposit_address ORDER BY asset, account_id"
    ).fetchall()
