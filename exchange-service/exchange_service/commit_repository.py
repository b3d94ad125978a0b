"""A commit as one statement: all that a batch writes, or nothing of it.

One statement is its own transaction and one round trip: the engine waits for Postgres once, and not
between a dozen steps, after each of which it would have to wait for the interpreter as well. It has
a part for each table that the batch has rows for. Rows travel as an array of the table's own row
type, each with its columns in the table's order.
"""

from collections.abc import Iterable
from typing import Final

import psycopg
from psycopg import Connection, Rollback, pq, sql

from exchange_service.domain.facts import Traded
from exchange_service.domain.ledger import Transfer
from exchange_service.domain.projection import OrderChange, OrderRecord, Projection
from exchange_service.projection_repository import has_others, save_others
from exchange_service.repository import Balance, Entry

# Every part reads from the claim: where a later engine has taken over there is none, and no row.
CLAIM: Final = (
    "WITH claim AS (UPDATE engine SET sequence = $1, alive_at = now()"
    " WHERE epoch = $2 AND sequence < $1 RETURNING epoch, sequence AS last)"
)
SEAL: Final = " INSERT INTO ledger_seal (sequence, hash) SELECT last, $3 FROM claim"
PARTS: Final = {
    "entries": (
        "INSERT INTO journal (sequence, epoch, payload, hash)"
        " SELECT new.sequence, claim.epoch, new.payload, new.hash"
        " FROM claim, unnest({}::journal[]) AS new"
    ),
    "placed": ("INSERT INTO trade_order SELECT new.* FROM claim, unnest({}::trade_order[]) AS new"),
    "changed": (
        "UPDATE trade_order AS o SET"
        " executed_rao = o.executed_rao + new.executed_rao,"
        " executed_sat = o.executed_sat + new.executed_sat,"
        " prevented_rao = o.prevented_rao + new.prevented_rao,"
        " quantity_rao = COALESCE(NULLIF(new.quantity_rao, 0), o.quantity_rao),"
        " client_order_id = COALESCE(NULLIF(new.client_order_id, ''), o.client_order_id),"
        " status = COALESCE(new.status, o.status),"
        " working_ms = COALESCE(NULLIF(new.working_ms, 0), o.working_ms),"
        " updated_ms = new.updated_ms"
        " FROM claim, unnest({}::trade_order[]) AS new WHERE o.order_id = new.order_id"
    ),
    "traded": "INSERT INTO trade SELECT new.* FROM claim, unnest({}::trade[]) AS new",
    "moved": (
        "INSERT INTO transfer (sequence, asset, source_account, source_pocket, target_account,"
        "  target_pocket, amount, reason, reference)"
        " SELECT sequence, asset, source_account, source_pocket, target_account, target_pocket,"
        "  amount, reason, reference FROM claim, unnest({}::transfer[]) AS new"
    ),
    "saved": (
        "INSERT INTO balance SELECT new.* FROM claim, unnest({}::balance[]) AS new"
        " ON CONFLICT (account_id) DO UPDATE SET"
        " free_sat = EXCLUDED.free_sat, locked_sat = EXCLUDED.locked_sat,"
        " free_rao = EXCLUDED.free_rao, locked_rao = EXCLUDED.locked_rao"
    ),
}


def write_statement(names: Iterable[str]) -> str:
    """Return the statement with these parts; $1 to $3 are sequence, epoch and the ledger's seal."""
    parts = [
        f", {name} AS ({PARTS[name].format(f'${place}')})" for place, name in enumerate(names, 4)
    ]
    return CLAIM + "".join(parts) + SEAL


def settle_session(conn: Connection) -> None:
    """Have each statement planned once, and such that it stays right while the tables grow.

    Planned anew it would take longer than it runs; planned for the empty tables of a first day it
    would read them from end to end.
    """
    conn.execute("SET plan_cache_mode = force_generic_plan")
    for way in ("seqscan", "hashjoin", "mergejoin"):
        conn.execute(sql.SQL("SET enable_{} = off").format(sql.SQL(way)))


class Committer:
    """Writes batches over a connection that nobody else uses meanwhile.

    It speaks to libpq itself: one call that sends, waits and receives without the interpreter,
    which other threads need in the meantime.
    """

    def __init__(self, conn: Connection, epoch: int) -> None:
        self._conn = conn
        self._epoch = epoch
        self._prepared: dict[tuple[str, ...], bytes] = {}
        """The statements known to this session, by their parts."""

    def save(
        self,
        entries: list[Entry],
        projection: Projection,
        balances: list[Balance],
        ledger_hash: bytes,
    ) -> bool:
        """Write a batch; False if a later engine has taken over: then none of it is written."""
        rows = {
            "entries": [_write_entry(entry) for entry in entries],
            "placed": [_write_order(order) for order in projection.orders.values()],
            "changed": [_write_change(*change) for change in projection.changes.items()],
            "traded": [_write_trade(trade) for trade in projection.trades],
            "moved": [_write_transfer(*moved) for moved in projection.transfers],
            "saved": [_write_balance(balance) for balance in balances],
        }
        parts = {name: _array(records) for name, records in rows.items() if records}
        head = [b"%d" % entries[-1].sequence, b"%d" % self._epoch, _bytea(ledger_hash).encode()]
        if not has_others(projection):
            return self._run(head, parts)
        written = False
        with self._conn.transaction():
            save_others(self._conn, projection)
            written = self._run(head, parts)
            if not written:
                raise Rollback
        return written

    def _run(self, head: list[bytes], parts: dict[str, bytes]) -> bool:
        name = self._prepare(tuple(parts))
        result = self._conn.pgconn.exec_prepared(name, [*head, *parts.values()])
        _check(result)
        return result.command_tuples == 1

    def _prepare(self, parts: tuple[str, ...]) -> bytes:
        name = self._prepared.get(parts)
        if name is None:
            name = b"commit_%d" % len(self._prepared)
            _check(self._conn.pgconn.prepare(name, write_statement(parts).encode()))
            self._prepared[parts] = name
        return name


def _check(result: pq.abc.PGresult) -> None:
    if result.status != pq.ExecStatus.COMMAND_OK:
        raise psycopg.DatabaseError(result.get_error_message())


def _quote(text: str) -> str:
    """Return a text as Postgres reads it inside a row, or a row as it reads it in an array."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _array(rows: list[str]) -> bytes:
    return ("{" + ",".join([_quote(row) for row in rows]) + "}").encode()


def _bytea(raw: bytes) -> str:
    return "\\x" + raw.hex()


# Numbers, and words of our own, need no quotes; what is left out is NULL.


def _write_entry(entry: Entry) -> str:
    return f"({entry.sequence},,{_quote(entry.payload.decode())},{_quote(_bytea(entry.hash))})"


def _write_order(order: OrderRecord) -> str:
    return (
        f"({order.order_id},{order.account_id},{_quote(order.client_order_id)},{order.side},"
        f"{order.kind},{order.time_in_force},{order.self_trade},{order.price_sat},"
        f"{order.quantity_rao},{order.asked_sat},{order.executed_rao},{order.executed_sat},"
        f"{order.status},{order.created_ms},{order.updated_ms},{order.stop_price_sat},"
        f"{order.iceberg_rao},{order.list_id},{order.prevented_rao},{order.working_ms})"
    )


def _write_change(order_id: int, change: OrderChange) -> str:
    return (
        f"({order_id},,{_quote(change.client_order_id)},,,,,,{change.amended_rao},,"
        f"{change.executed_rao},{change.executed_sat},{change.status or ''},,{change.updated_ms},"
        f",,,{change.prevented_rao},{change.working_ms})"
    )


def _write_trade(trade: Traded) -> str:
    return (
        f"({trade.trade_id},{trade.time_ms},{trade.price_sat},{trade.quantity_rao},"
        f"{trade.quote_sat},{trade.taker_side},{trade.taker_order_id},{trade.taker_account_id},"
        f"{trade.taker_fee_sat},{trade.maker_order_id},{trade.maker_account_id},"
        f"{trade.maker_fee_sat})"
    )


def _write_transfer(sequence: int, transfer: Transfer) -> str:
    asset, source, source_pocket, target, target_pocket, amount, reason, reference = transfer
    return (
        f"(,{sequence},{asset},{source},{source_pocket},{target},{target_pocket},{amount},"
        f"{reason},{reference})"
    )


def _write_balance(balance: Balance) -> str:
    account_id, free_sat, locked_sat, free_rao, locked_rao = balance
    return f"({account_id},{free_sat},{locked_sat},{free_rao},{locked_rao})"
