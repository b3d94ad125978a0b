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

from exchange_service import rows
from exchange_service.domain.projection import Projection
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
        records = {
            "entries": [rows.write_entry(entry) for entry in entries],
            "placed": [rows.write_order(order) for order in projection.orders.values()],
            "changed": [rows.write_change(*change) for change in projection.changes.items()],
            "traded": [rows.write_trade(trade) for trade in projection.trades],
            "moved": [rows.write_transfer(*moved) for moved in projection.transfers],
            "saved": [rows.write_balance(balance) for balance in balances],
        }
        parts = {name: rows.write_array(written) for name, written in records.items() if written}
        head = [
            b"%d" % entries[-1].sequence,
            b"%d" % self._epoch,
            rows.write_bytes(ledger_hash).encode(),
        ]
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
