"""Which blocks were booked, which coins the exchange holds, which payments are on their way."""

from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import class_row

from exchange_service.domain.spending import Coin

CHANGE = 0
"""The account that stands for our own change."""
BLOCKS_KEPT = 2_000
"""How far back a reorganisation is recognised block by block."""


@dataclass(frozen=True, slots=True)
class Requested:
    """A withdrawal of BTC that is not closed."""

    withdrawal_id: int
    amount: int
    fee: int
    status: str
    requested_ms: int


@dataclass(frozen=True, slots=True)
class SentPayment:
    """A version of a payment; the last one, where a withdrawal is asked for."""

    txid: str
    withdrawal_id: int
    raw: str
    fee_sat: int
    virtual_bytes: int
    signed_height: int
    height: int | None


def find_last_block(conn: Connection) -> tuple[int, str] | None:
    """Return height and hash of the last block that was booked."""
    return conn.execute(
        "SELECT height, hash FROM bitcoin_block ORDER BY height DESC LIMIT 1"
    ).fetchone()


def save_block(conn: Connection, height: int, block_hash: str) -> None:
    conn.execute(
        "INSERT INTO bitcoin_block (height, hash) VALUES (%s, %s)"
        " ON CONFLICT (height) DO UPDATE SET hash = EXCLUDED.hash",
        (height, block_hash),
    )
    conn.execute("DELETE FROM bitcoin_block WHERE height <= %s", (height - BLOCKS_KEPT,))


def has_addresses(conn: Connection) -> bool:
    row = conn.execute("SELECT FROM deposit_address WHERE asset = 'BTC' LIMIT 1").fetchone()
    return row is not None


def forget_block(conn: Connection, height: int) -> None:
    """Note that a booked block is no longer in the chain, nor what it held."""
    conn.execute("DELETE FROM bitcoin_block WHERE height >= %s", (height,))
    conn.execute("UPDATE bitcoin_coin SET height = NULL WHERE height >= %s", (height,))
    conn.execute("UPDATE bitcoin_payment SET height = NULL WHERE height >= %s", (height,))


def find_deposit_accounts(conn: Connection, addresses: list[str]) -> dict[str, int]:
    rows = conn.execute(
        "SELECT address, account_id FROM deposit_address WHERE asset = 'BTC' AND address = ANY(%s)",
        (addresses,),
    ).fetchall()
    return dict(rows)


def find_payments(conn: Connection, txids: list[str]) -> list[SentPayment]:
    with conn.cursor(row_factory=class_row(SentPayment)) as cursor:
        return cursor.execute(
            "SELECT txid, withdrawal_id, raw, fee_sat, virtual_bytes, signed_height, height"
            " FROM bitcoin_payment WHERE txid = ANY(%s)",
            (txids,),
        ).fetchall()


def save_coin(conn: Connection, coin: Coin, height: int, spendable_height: int) -> None:
    """Note a coin in a block; one that was in another block before is the same coin."""
    conn.execute(
        "INSERT INTO bitcoin_coin (txid, vout, amount_sat, account_id, height, spendable_height)"
        " VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (txid, vout) DO UPDATE SET height = EXCLUDED.height,"
        " spendable_height = EXCLUDED.spendable_height",
        (coin.txid, coin.vout, coin.amount_sat, coin.account_id, height, spendable_height),
    )


def mark_mined(conn: Connection, txid: str, height: int) -> None:
    conn.execute("UPDATE bitcoin_payment SET height = %s WHERE txid = %s", (height, txid))


def list_spendable(conn: Connection, height: int) -> list[Coin]:
    """Return the coins that no payment has taken, at a height of the tip."""
    rows = conn.execute(
        "SELECT txid, vout, amount_sat, account_id FROM bitcoin_coin"
        " WHERE withdrawal_id IS NULL AND height IS NOT NULL AND spendable_height <= %s"
        # A deposit that may still be reversed pays nobody: it would take the payment with it.
        " AND (unlocked OR account_id = %s)",
        (height, CHANGE),
    ).fetchall()
    return [Coin(*row) for row in rows]


def list_held(conn: Connection) -> list[Coin]:
    """Return the coins in the chain that no mined payment has spent."""
    rows = conn.execute(
        "SELECT txid, vout, amount_sat, account_id FROM bitcoin_coin AS c WHERE height IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM bitcoin_payment AS p"
        "  WHERE p.withdrawal_id = c.withdrawal_id AND p.height IS NOT NULL)"
        " ORDER BY txid, vout"
    ).fetchall()
    return [Coin(*row) for row in rows]


def unlock_coins(conn: Connection, height: int) -> None:
    """Note that the coins in blocks up to here are deep enough to be withdrawn."""
    conn.execute(
        "UPDATE bitcoin_coin SET unlocked = true WHERE NOT unlocked AND height <= %s", (height,)
    )


def sum_locked(conn: Connection, account_id: int) -> int:
    """Return what of an account's credited deposits is not deep enough to be withdrawn."""
    row = conn.execute(
        "SELECT COALESCE(sum(d.amount), 0) FROM deposit AS d LEFT JOIN bitcoin_coin AS c"
        " ON c.txid = d.transaction_id AND c.vout = d.event_index"
        " WHERE d.asset = 'BTC' AND d.account_id = %s AND d.reversed_ms IS NULL"
        " AND c.unlocked IS NOT TRUE",
        (account_id,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def list_vanished(conn: Connection) -> list[Coin]:
    """Return the coins that are in no block any longer and were never deep enough to leave."""
    rows = conn.execute(
        "SELECT txid, vout, amount_sat, account_id FROM bitcoin_coin"
        " WHERE height IS NULL AND NOT unlocked AND account_id <> %s ORDER BY txid, vout",
        (CHANGE,),
    ).fetchall()
    return [Coin(*row) for row in rows]


def forget_coin(conn: Connection, coin: Coin) -> None:
    conn.execute("DELETE FROM bitcoin_coin WHERE txid = %s AND vout = %s", coin[:2])


def list_owing(conn: Connection) -> list[int]:
    """Return the accounts that owe a shortfall."""
    rows = conn.execute("SELECT account_id FROM shortfall WHERE amount_sat > 0 ORDER BY 1")
    return [row[0] for row in rows]


def list_leaving(conn: Connection, txids: list[str]) -> set[tuple[str, int]]:
    """Return the coins that our payments among these transactions spend."""
    rows = conn.execute(
        "SELECT c.txid, c.vout FROM bitcoin_coin AS c JOIN bitcoin_payment AS p"
        " USING (withdrawal_id) WHERE p.txid = ANY(%s)",
        (txids,),
    )
    return {(row[0], row[1]) for row in rows}


def list_missing(conn: Connection) -> list[Coin]:
    """Return the coins that were credited and are in no block any longer.

    Not our own change: where another version of a payment was mined, that one's came instead.
    """
    rows = conn.execute(
        "SELECT txid, vout, amount_sat, account_id FROM bitcoin_coin"
        " WHERE height IS NULL AND account_id <> %s ORDER BY txid, vout",
        (CHANGE,),
    ).fetchall()
    return [Coin(*row) for row in rows]


def find_missing_coins(conn: Connection) -> list[str]:
    """Return a sentence for each credited coin that a reorganisation took."""
    return [
        f"{coin.txid}:{coin.vout}, {coin.amount_sat} satoshi of account {coin.account_id}, "
        "is in no block any longer; no BTC is paid out until it is"
        for coin in list_missing(conn)
    ]


def list_requested(conn: Connection) -> list[Requested]:
    with conn.cursor(row_factory=class_row(Requested)) as cursor:
        return cursor.execute(
            "SELECT withdrawal_id, amount, fee, status, requested_ms FROM withdrawal"
            " WHERE asset = 'BTC' AND status = 'requested' ORDER BY withdrawal_id"
        ).fetchall()


def list_unmined(conn: Connection) -> list[SentPayment]:
    """Return the dearest version of each payment that no block holds."""
    with conn.cursor(row_factory=class_row(SentPayment)) as cursor:
        return cursor.execute(
            "SELECT DISTINCT ON (withdrawal_id) txid, withdrawal_id, raw, fee_sat, virtual_bytes,"
            " signed_height, height FROM bitcoin_payment AS p"
            " WHERE NOT EXISTS (SELECT FROM bitcoin_payment AS mined"
            "  WHERE mined.withdrawal_id = p.withdrawal_id AND mined.height IS NOT NULL)"
            " ORDER BY withdrawal_id, fee_sat DESC"
        ).fetchall()


def save_transaction_id(conn: Connection, withdrawal_id: int, txid: str) -> None:
    conn.execute(
        "UPDATE withdrawal SET extrinsic_hash = %s WHERE withdrawal_id = %s", (txid, withdrawal_id)
    )
