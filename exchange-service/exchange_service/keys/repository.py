"""Accounts' keys, and the audit of the tables against each other."""

from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as the table holds it."""

    api_key: str
    account_id: int
    label: str
    permissions: list[str]
    addresses: list[str]
    public_key: bytes | None
    created_ms: int


def insert_key(conn: Connection, key: KeyRow) -> None:
    conn.execute(
        "INSERT INTO api_key (api_key, account_id, label, permissions, addresses, public_key,"
        " created_ms) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            key.api_key,
            key.account_id,
            key.label,
            key.permissions,
            key.addresses,
            key.public_key,
            key.created_ms,
        ),
    )


def load_keys(conn: Connection, account_id: int | None = None) -> list[KeyRow]:
    """Return the keys that are valid, of one account or of all."""
    with conn.cursor(row_factory=class_row(KeyRow)) as cursor:
        return cursor.execute(
            "SELECT api_key, account_id, label, permissions, addresses, public_key, created_ms"
            " FROM api_key WHERE revoked_ms IS NULL"
            " AND (%(account)s::bigint IS NULL OR account_id = %(account)s)"
            " ORDER BY created_ms, api_key",
            {"account": account_id},
        ).fetchall()


def revoke_key(conn: Connection, account_id: int, api_key: str, now_ms: int) -> bool:
    """Note that a key of the account is no longer valid; False if there is no such key."""
    cursor = conn.execute(
        "UPDATE api_key SET revoked_ms = %s"
        " WHERE api_key = %s AND account_id = %s AND revoked_ms IS NULL",
        (now_ms, api_key, account_id),
    )
    return cursor.rowcount == 1


def find_account(conn: Connection, name: str) -> int | None:
    row = conn.execute("SELECT account_id FROM account WHERE name = %s", (name,)).fetchone()
    return row[0] if row else None


def find_wrong_balances(conn: Connection) -> list[str]:
    """Return a sentence for each balance that is not the sum of its transfers."""
    rows = conn.execute(
        "WITH moves AS ("
        "  SELECT source_account AS account_id, asset, source_pocket AS pocket, -amount AS amount"
        "   FROM transfer"
        "  UNION ALL SELECT target_account, asset, target_pocket, amount FROM transfer),"
        " sums AS ("
        "  SELECT account_id,"
        "   COALESCE(sum(amount) FILTER (WHERE asset = 'BTC' AND pocket = 'free'), 0) AS free_sat,"
        "   COALESCE(sum(amount) FILTER (WHERE asset = 'BTC' AND pocket = 'locked'), 0)"
        "    AS locked_sat,"
        "   COALESCE(sum(amount) FILTER (WHERE asset = 'TAO' AND pocket = 'free'), 0) AS free_rao,"
        "   COALESCE(sum(amount) FILTER (WHERE asset = 'TAO' AND pocket = 'locked'), 0)"
        "    AS locked_rao FROM moves GROUP BY account_id)"
        " SELECT account_id FROM balance AS b FULL JOIN sums AS s USING (account_id)"
        " WHERE (COALESCE(b.free_sat, 0), COALESCE(b.locked_sat, 0),"
        "  COALESCE(b.free_rao, 0), COALESCE(b.locked_rao, 0))"
        " <> (COALESCE(s.free_sat, 0), COALESCE(s.locked_sat, 0),"
        "  COALESCE(s.free_rao, 0), COALESCE(s.locked_rao, 0)) ORDER BY account_id"
    ).fetchall()
    return [f"account {row[0]}: the balance is not the sum of its transfers" for row in rows]


def find_wrong_orders(conn: Connection) -> list[str]:
    """Return a sentence for each order whose trades do not add up to what it executed."""
    rows = conn.execute(
        "WITH fills AS ("
        "  SELECT taker_order_id AS order_id, quantity_rao, quote_sat FROM trade"
        "  UNION ALL SELECT maker_order_id, quantity_rao, quote_sat FROM trade),"
        " sums AS (SELECT order_id, sum(quantity_rao) AS rao, sum(quote_sat) AS sat"
        "  FROM fills GROUP BY order_id)"
        " SELECT order_id FROM trade_order AS o FULL JOIN sums AS s USING (order_id)"
        " WHERE (COALESCE(o.executed_rao, 0), COALESCE(o.executed_sat, 0))"
        " <> (COALESCE(s.rao, 0), COALESCE(s.sat, 0)) ORDER BY order_id LIMIT 20"
    ).fetchall()
    return [f"order {row[0]}: its trades are not what it executed" for row in rows]


def find_journal_gap(conn: Connection) -> list[str]:
    """Return a sentence if the journal is not 1, 2, 3 … up to what the engine claimed."""
    row = conn.execute(
        "SELECT count(*), COALESCE(max(sequence), 0), (SELECT sequence FROM engine) FROM journal"
    ).fetchone()
    assert row is not None
    if row[0] == row[1] == row[2]:
        return []
    return [f"the journal holds {row[0]} entries up to {row[1]}; the engine claimed {row[2]}"]


def count_trades(conn: Connection) -> int:
    row = conn.execute("SELECT count(*) FROM trade").fetchone()
    assert row is not None
    count: int = row[0]
    return count
