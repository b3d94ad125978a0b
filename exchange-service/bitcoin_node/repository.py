"""Every query of the node: blocks, outputs, what waits for a block, the wallet's addresses."""

from dataclasses import dataclass
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from bitcoin_node.domain.transactions import Output

NODE_LOCK = 0xB17C
Outpoint = tuple[str, int]


@dataclass(frozen=True, slots=True)
class StoredBlock:
    hash: str
    height: int
    previous_hash: str
    header: bytes
    active: bool
    valid: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """A transaction in the memory pool."""

    txid: str
    raw: bytes
    fee_sat: int
    virtual_bytes: int
    arrived_s: int


@dataclass(frozen=True, slots=True)
class WalletOutput:
    """An output that the node's own wallet can spend."""

    txid: str
    vout: int
    amount_sat: int
    script: bytes
    height: int | None
    coinbase: bool


def lock_node(conn: Connection) -> None:
    """Let one change at a time be made to chain and memory pool, until the transaction ends."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtext(current_schema()), %s)", (NODE_LOCK,))


def find_tip(conn: Connection) -> StoredBlock | None:
    return _find_block(conn, "active ORDER BY height DESC", ())


def find_block(conn: Connection, block_hash: str) -> StoredBlock | None:
    return _find_block(conn, "hash = %s", (block_hash,))


def find_block_at(conn: Connection, height: int) -> StoredBlock | None:
    return _find_block(conn, "active AND height = %s", (height,))


def list_blocks_from(conn: Connection, height: int) -> list[StoredBlock]:
    """Return the active blocks from a height on, highest first."""
    with conn.cursor(row_factory=class_row(StoredBlock)) as cursor:
        return cursor.execute(
            "SELECT hash, height, previous_hash, header, active, valid FROM block"
            " WHERE active AND height >= %s ORDER BY height DESC",
            (height,),
        ).fetchall()


def list_last_headers(conn: Connection, block_hash: str, count: int) -> list[bytes]:
    """Return the headers of a block and of those before it, newest first."""
    rows = conn.execute(
        "WITH RECURSIVE line AS ("
        "  SELECT hash, previous_hash, header, 1 AS number FROM block WHERE hash = %(hash)s"
        "  UNION ALL SELECT b.hash, b.previous_hash, b.header, line.number + 1 FROM block AS b"
        "   JOIN line ON b.hash = line.previous_hash WHERE line.number < %(count)s)"
        " SELECT header FROM line ORDER BY number",
        {"hash": block_hash, "count": count},
    ).fetchall()
    return [row[0] for row in rows]


def find_best_branch(conn: Connection) -> list[StoredBlock]:
    """Return the inactive blocks that lead from the chain to the highest valid one, lowest first.

    Among equally high ones the first seen wins; none if nothing is higher than the active tip.
    """
    with conn.cursor(row_factory=class_row(StoredBlock)) as cursor:
        return cursor.execute(
            "WITH RECURSIVE good AS ("
            "  SELECT hash, height, seen FROM block WHERE active"
            "  UNION ALL SELECT child.hash, child.height, child.seen FROM block AS child"
            "   JOIN good ON child.previous_hash = good.hash"
            "   WHERE child.valid AND NOT child.active),"
            " best AS (SELECT hash FROM good ORDER BY height DESC, seen LIMIT 1),"
            " branch AS ("
            "  SELECT block.* FROM block JOIN best USING (hash) WHERE NOT active"
            "  UNION ALL SELECT parent.* FROM block AS parent"
            "   JOIN branch ON parent.hash = branch.previous_hash WHERE NOT parent.active)"
            " SELECT hash, height, previous_hash, header, active, valid FROM branch ORDER BY height"
        ).fetchall()


def count_confirmations(conn: Connection, block: StoredBlock) -> int:
    """Return the blocks on top of it and itself; −1 off the chain."""
    tip = find_tip(conn)
    return tip.height - block.height + 1 if tip is not None and block.active else -1


def insert_block(conn: Connection, block: StoredBlock, raws: list[tuple[str, bytes]]) -> None:
    conn.execute(
        "INSERT INTO block (hash, height, previous_hash, header, active)"
        " VALUES (%s, %s, %s, %s, false)",
        (block.hash, block.height, block.previous_hash, block.header),
    )
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO block_transaction (block_hash, position, txid, raw)"
            " VALUES (%s, %s, %s, %s)",
            [(block.hash, position, *row) for position, row in enumerate(raws)],
        )


def mark_active(conn: Connection, block_hash: str, active: bool) -> None:
    conn.execute("UPDATE block SET active = %s WHERE hash = %s", (active, block_hash))


def mark_valid(conn: Connection, block_hash: str, valid: bool) -> None:
    conn.execute("UPDATE block SET valid = %s WHERE hash = %s", (valid, block_hash))


def measure_blocks(conn: Connection) -> int:
    """Return how many bytes the blocks hold, all branches together."""
    row = conn.execute("SELECT coalesce(sum(length(raw)), 0) FROM block_transaction").fetchone()
    assert row is not None
    return int(row[0])


def list_block_transactions(conn: Connection, block_hash: str) -> list[bytes]:
    rows = conn.execute(
        "SELECT raw FROM block_transaction WHERE block_hash = %s ORDER BY position", (block_hash,)
    ).fetchall()
    return [row[0] for row in rows]


def find_confirmed(conn: Connection, txid: str) -> tuple[bytes, str, int] | None:
    """Return a transaction of the active chain, its block and its position there."""
    return conn.execute(
        "SELECT t.raw, t.block_hash, t.position FROM block_transaction AS t"
        " JOIN block AS b ON b.hash = t.block_hash WHERE t.txid = %s AND b.active",
        (txid,),
    ).fetchone()


def find_raw(conn: Connection, txid: str) -> bytes | None:
    """Return a transaction's bytes, wherever it stands."""
    waiting, confirmed = find_waiting(conn, txid), find_confirmed(conn, txid)
    return waiting.raw if waiting else confirmed[0] if confirmed else None


def insert_output(conn: Connection, outpoint: Outpoint, output: Output) -> None:
    conn.execute(
        "INSERT INTO output (txid, vout, amount_sat, script, height, coinbase)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (*outpoint, output.amount_sat, output.script, output.height, output.coinbase),
    )


def mark_spent(conn: Connection, outpoint: Outpoint, height: int) -> None:
    conn.execute(
        "UPDATE output SET spent_height = %s WHERE txid = %s AND vout = %s", (height, *outpoint)
    )


def undo_outputs(conn: Connection, height: int) -> None:
    """Take back what the block at this height made and spent."""
    conn.execute("DELETE FROM output WHERE height = %s", (height,))
    conn.execute("UPDATE output SET spent_height = NULL WHERE spent_height = %s", (height,))


def find_output(conn: Connection, outpoint: Outpoint) -> Output | None:
    """Return an output that the chain has not seen spent, or one that waits with its own
    transaction."""
    row = conn.execute(
        "SELECT amount_sat, script, height, coinbase FROM output"
        " WHERE txid = %(txid)s AND vout = %(vout)s AND spent_height IS NULL"
        " UNION ALL SELECT amount_sat, script, NULL, false FROM waiting_output"
        " WHERE txid = %(txid)s AND vout = %(vout)s",
        {"txid": outpoint[0], "vout": outpoint[1]},
    ).fetchone()
    return Output(*row) if row else None


def find_waiting_spender(conn: Connection, outpoint: Outpoint) -> str | None:
    """Return the waiting transaction that spends an output."""
    row = conn.execute(
        "SELECT txid FROM waiting_input WHERE previous_txid = %s AND previous_vout = %s", outpoint
    ).fetchone()
    return row[0] if row else None


def insert_waiting(
    conn: Connection, waiting: Waiting, inputs: list[Outpoint], outputs: list[tuple[int, bytes]]
) -> None:
    conn.execute(
        "INSERT INTO waiting (txid, raw, fee_sat, virtual_bytes, arrived_s)"
        " VALUES (%s, %s, %s, %s, %s)",
        (waiting.txid, waiting.raw, waiting.fee_sat, waiting.virtual_bytes, waiting.arrived_s),
    )
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO waiting_input (previous_txid, previous_vout, txid) VALUES (%s, %s, %s)",
            [(*outpoint, waiting.txid) for outpoint in inputs],
        )
        cursor.executemany(
            "INSERT INTO waiting_output (txid, vout, amount_sat, script) VALUES (%s, %s, %s, %s)",
            [(waiting.txid, vout, *output) for vout, output in enumerate(outputs)],
        )


def list_waiting(conn: Connection) -> list[Waiting]:
    """Return what waits, in the order of arrival: what a transaction needs came before it."""
    with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(
            "SELECT txid, raw, fee_sat, virtual_bytes, arrived_s FROM waiting ORDER BY arrival"
        ).fetchall()


def find_waiting(conn: Connection, txid: str) -> Waiting | None:
    with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(
            "SELECT txid, raw, fee_sat, virtual_bytes, arrived_s FROM waiting WHERE txid = %s",
            (txid,),
        ).fetchone()


def list_dependents(conn: Connection, txid: str) -> list[Waiting]:
    """Return a waiting transaction and all that stand on it."""
    with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(
            "WITH RECURSIVE found AS ("
            "  SELECT txid FROM waiting WHERE txid = %s"
            "  UNION SELECT i.txid FROM waiting_input AS i"
            "   JOIN found ON i.previous_txid = found.txid)"
            " SELECT txid, raw, fee_sat, virtual_bytes, arrived_s FROM waiting"
            " JOIN found USING (txid)",
            (txid,),
        ).fetchall()


def delete_waiting(conn: Connection, txids: list[str]) -> None:
    conn.execute("DELETE FROM waiting WHERE txid = ANY(%s)", (txids,))


def add_wallet_address(conn: Connection, number: int, script: bytes) -> None:
    conn.execute(
        "INSERT INTO wallet_address (number, script) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (number, script),
    )


def count_wallet_addresses(conn: Connection) -> int:
    row = conn.execute("SELECT count(*) FROM wallet_address").fetchone()
    assert row is not None
    return int(row[0])


def find_wallet_number(conn: Connection, script: bytes) -> int | None:
    row = conn.execute("SELECT number FROM wallet_address WHERE script = %s", (script,)).fetchone()
    return row[0] if row else None


def list_wallet_outputs(conn: Connection) -> list[WalletOutput]:
    """Return the wallet's outputs that nothing spends, not even what waits; largest first."""
    with conn.cursor(row_factory=class_row(WalletOutput)) as cursor:
        return cursor.execute(
            "SELECT o.txid, o.vout, o.amount_sat, o.script, o.height, o.coinbase FROM ("
            "  SELECT txid, vout, amount_sat, script, height, coinbase FROM output"
            "   WHERE spent_height IS NULL"
            "  UNION ALL SELECT txid, vout, amount_sat, script, NULL, false FROM waiting_output"
            " ) AS o JOIN wallet_address USING (script)"
            " LEFT JOIN waiting_input AS i ON i.previous_txid = o.txid AND i.previous_vout = o.vout"
            " WHERE i.txid IS NULL ORDER BY o.amount_sat DESC, o.txid, o.vout"
        ).fetchall()


def list_wallet_receipts(conn: Connection, above_height: int) -> list[WalletOutput]:
    """Return what the wallet received above a height, or waits for."""
    with conn.cursor(row_factory=class_row(WalletOutput)) as cursor:
        return cursor.execute(
            "SELECT o.txid, o.vout, o.amount_sat, o.script, o.height, o.coinbase FROM ("
            "  SELECT txid, vout, amount_sat, script, height, coinbase FROM output"
            "   WHERE height > %s"
            "  UNION ALL SELECT txid, vout, amount_sat, script, NULL, false FROM waiting_output"
            " ) AS o JOIN wallet_address USING (script) ORDER BY o.height, o.txid, o.vout",
            (above_height,),
        ).fetchall()


def _find_block(
    conn: Connection, condition: LiteralString, values: tuple[object, ...]
) -> StoredBlock | None:
    columns: LiteralString = "hash, height, previous_hash, header, active, valid"
    query = f"SELECT {columns} FROM block WHERE {condition} LIMIT 1"  # noqa: S608
    with conn.cursor(row_factory=class_row(StoredBlock)) as cursor:
        return cursor.execute(query, values).fetchone()
