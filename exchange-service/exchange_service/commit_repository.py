"""A commit as one statement: all that a batch writes, or nothing of it.

One statement is its own transaction and one round trip: the engine waits for Postgres once, and not
between a dozen steps, after each of which it would have to wait for the interpreter as well. Rows
travel as one array for each column.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, LiteralString

from psycopg import Connection, Rollback, sql

from exchange_service.domain.facts import Traded
from exchange_service.domain.ledger import Transfer
from exchange_service.domain.projection import OrderChange, OrderRecord, Projection
from exchange_service.projection_repository import has_others, save_others
from exchange_service.repository import Balance, Entry

ENTRY: Final = "sequence bigint, payload text, hash bytea"
ORDER: Final = (
    "order_id bigint, account_id bigint, client_order_id text, side text, kind text,"
    " time_in_force text, self_trade text, price_sat bigint, quantity_rao bigint,"
    " asked_sat bigint, executed_rao bigint, executed_sat bigint, status text, created_ms bigint,"
    " updated_ms bigint, stop_price_sat bigint, iceberg_rao bigint, list_id bigint,"
    " prevented_rao bigint, working_ms bigint"
)
CHANGE: Final = (
    "order_id bigint, executed_rao bigint, executed_sat bigint, prevented_rao bigint,"
    " amended_rao bigint, client_order_id text, status text, working_ms bigint, updated_ms bigint"
)
TRADE: Final = (
    "time_ms bigint, trade_id bigint, price_sat bigint, quantity_rao bigint, quote_sat bigint,"
    " taker_side text, taker_order_id bigint, taker_account_id bigint, taker_fee_sat bigint,"
    " maker_order_id bigint, maker_account_id bigint, maker_fee_sat bigint"
)
TRANSFER: Final = (
    "sequence bigint, asset text, source_account bigint, source_pocket text,"
    " target_account bigint, target_pocket text, amount bigint, reason text, reference bigint"
)
BALANCE: Final = (
    "account_id bigint, free_sat bigint, locked_sat bigint, free_rao bigint, locked_rao bigint"
)


def _name(columns: LiteralString) -> sql.Composed:
    """Return the names of columns."""
    return sql.SQL(", ").join(
        [sql.SQL(column.split()[0]) for column in columns.split(", ")]
    )  # fmt: skip


def _unnest(columns: LiteralString) -> sql.Composed:
    """Return rows called `new`, made of one array for each column."""
    arrays = [sql.SQL("%s::" + column.split()[1] + "[]") for column in columns.split(", ")]
    return sql.SQL("unnest({}) AS new ({})").format(sql.SQL(", ").join(arrays), _name(columns))


# Every part reads from the claim: where a later engine has taken over there is none, and no row.
STATEMENT: Final = (
    sql.SQL(
        "WITH claim AS (UPDATE engine SET sequence = %s, alive_at = now()"
        "  WHERE epoch = %s AND sequence < %s RETURNING epoch, sequence AS last),"
        " written AS (INSERT INTO journal (epoch, {entry})"
        "  SELECT epoch, {entry} FROM claim, {entries}),"
        " placed AS (INSERT INTO trade_order ({order}) SELECT {order} FROM claim, {orders}),"
        " changed AS (UPDATE trade_order AS o SET"
        "  executed_rao = o.executed_rao + new.executed_rao,"
        "  executed_sat = o.executed_sat + new.executed_sat,"
        "  prevented_rao = o.prevented_rao + new.prevented_rao,"
        "  quantity_rao = COALESCE(NULLIF(new.amended_rao, 0), o.quantity_rao),"
        "  client_order_id = COALESCE(NULLIF(new.client_order_id, ''), o.client_order_id),"
        "  status = COALESCE(new.status, o.status),"
        "  working_ms = COALESCE(NULLIF(new.working_ms, 0), o.working_ms),"
        "  updated_ms = new.updated_ms"
        "  FROM claim, {changes} WHERE o.order_id = new.order_id),"
        " traded AS (INSERT INTO trade ({trade}) SELECT {trade} FROM claim, {trades}),"
        " moved AS (INSERT INTO transfer ({transfer}) SELECT {transfer} FROM claim, {transfers}),"
        " saved AS (INSERT INTO balance ({balance}) SELECT {balance} FROM claim, {balances}"
        "  ON CONFLICT (account_id) DO UPDATE SET free_sat = EXCLUDED.free_sat,"
        "   locked_sat = EXCLUDED.locked_sat, free_rao = EXCLUDED.free_rao,"
        "   locked_rao = EXCLUDED.locked_rao)"
        " INSERT INTO ledger_seal (sequence, hash) SELECT last, %s FROM claim"
    )
    .format(
        entry=_name(ENTRY),
        entries=_unnest(ENTRY),
        order=_name(ORDER),
        orders=_unnest(ORDER),
        changes=_unnest(CHANGE),
        trade=_name(TRADE),
        trades=_unnest(TRADE),
        transfer=_name(TRANSFER),
        transfers=_unnest(TRANSFER),
        balance=_name(BALANCE),
        balances=_unnest(BALANCE),
    )
    .as_bytes(None)
)


def settle_session(conn: Connection) -> None:
    """Have the statement planned once, and such that it stays right while the tables grow.

    Planned anew it would take longer than it runs; planned for the empty tables of a first day it
    would read them from end to end.
    """
    conn.execute("SET plan_cache_mode = force_generic_plan")
    for way in ("seqscan", "hashjoin", "mergejoin"):
        conn.execute(sql.SQL("SET enable_{} = off").format(sql.SQL(way)))


def save_commit(
    conn: Connection,
    epoch: int,
    entries: list[Entry],
    projection: Projection,
    balances: list[Balance],
    ledger_hash: bytes,
) -> bool:
    """Write a batch; False if a later engine has taken over: then none of it is written."""
    sequence = entries[-1].sequence
    parameters = [
        *(sequence, epoch, sequence),
        *_list_entries(entries),
        *_list_orders(list(projection.orders.values())),
        *_list_changes(projection.changes),
        *_list_trades(projection.trades),
        *_list_transfers(projection.transfers),
        *_transpose(balances, len(Balance._fields)),
        ledger_hash,
    ]
    if not has_others(projection):
        return _write(conn, parameters)
    written = False
    with conn.transaction():
        save_others(conn, projection)
        written = _write(conn, parameters)
        if not written:
            raise Rollback
    return written


def _write(conn: Connection, parameters: Sequence[Any]) -> bool:
    return conn.execute(STATEMENT, parameters, prepare=True).rowcount == 1


def _array(values: Iterable[object]) -> str:
    """Return numbers, or words of our own, as Postgres reads an array."""
    return "{" + ",".join(map(str, values)) + "}"


def _quoted_array(values: Iterable[str | None]) -> str:
    """Return any texts as Postgres reads an array."""
    quoted = [
        "NULL" if text is None else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for text in values
    ]
    return "{" + ",".join(quoted) + "}"


def _transpose(rows: Sequence[tuple[object, ...]], columns: int) -> list[str]:
    """Return rows of numbers and words of our own, column by column."""
    return [_array(column) for column in zip(*rows, strict=True)] or ["{}"] * columns


def _list_entries(entries: list[Entry]) -> list[str]:
    return [
        _array([entry.sequence for entry in entries]),
        _quoted_array([entry.payload.decode() for entry in entries]),
        _quoted_array(["\\x" + entry.hash.hex() for entry in entries]),
    ]


def _list_orders(orders: list[OrderRecord]) -> list[str]:
    return [
        _array([order.order_id for order in orders]),
        _array([order.account_id for order in orders]),
        _quoted_array([order.client_order_id for order in orders]),
        _array([order.side for order in orders]),
        _array([order.kind for order in orders]),
        _array([order.time_in_force for order in orders]),
        _array([order.self_trade for order in orders]),
        _array([order.price_sat for order in orders]),
        _array([order.quantity_rao for order in orders]),
        _array([order.asked_sat for order in orders]),
        _array([order.executed_rao for order in orders]),
        _array([order.executed_sat for order in orders]),
        _array([order.status for order in orders]),
        _array([order.created_ms for order in orders]),
        _array([order.updated_ms for order in orders]),
        _array([order.stop_price_sat for order in orders]),
        _array([order.iceberg_rao for order in orders]),
        _array([order.list_id for order in orders]),
        _array([order.prevented_rao for order in orders]),
        _array([order.working_ms for order in orders]),
    ]


def _list_changes(changes: dict[int, OrderChange]) -> list[str]:
    rows = changes.values()
    return [
        _array(changes),
        _array([change.executed_rao for change in rows]),
        _array([change.executed_sat for change in rows]),
        _array([change.prevented_rao for change in rows]),
        _array([change.amended_rao for change in rows]),
        _quoted_array([change.client_order_id for change in rows]),
        _quoted_array([change.status for change in rows]),
        _array([change.working_ms for change in rows]),
        _array([change.updated_ms for change in rows]),
    ]


def _list_trades(trades: list[Traded]) -> list[str]:
    rows = [
        (
            trade.time_ms,
            trade.trade_id,
            trade.price_sat,
            trade.quantity_rao,
            trade.quote_sat,
            trade.taker_side,
            trade.taker_order_id,
            trade.taker_account_id,
            trade.taker_fee_sat,
            trade.maker_order_id,
            trade.maker_account_id,
            trade.maker_fee_sat,
        )
        for trade in trades
    ]
    return _transpose(rows, 12)


def _list_transfers(transfers: list[tuple[int, Transfer]]) -> list[str]:
    return _transpose([(sequence, *transfer) for sequence, transfer in transfers], 9)
