"""The engine's SQL: the journal, and every row that a batch of facts adds or changes."""

from collections.abc import Iterable, Iterator
from typing import LiteralString, NamedTuple

from psycopg import Connection

from exchange_service.domain.facts import WithdrawalFailed, WithdrawalSettled
from exchange_service.domain.projection import OrderChange, OrderRecord, Projection

ENGINE_LOCK = 0xE7A0
READ_ROWS = 5_000
"""Journal rows fetched at once during recovery."""


class Entry(NamedTuple):
    """One line of the journal."""

    sequence: int
    payload: bytes
    hash: bytes


class Balance(NamedTuple):
    account_id: int
    free_sat: int
    locked_sat: int
    free_rao: int
    locked_rao: int


def try_lock_engine(conn: Connection) -> bool:
    """Take the one writer's lock, for as long as this connection lives."""
    row = conn.execute(
        "SELECT pg_try_advisory_lock(hashtext(current_schema()), %s)", (ENGINE_LOCK,)
    ).fetchone()
    return bool(row and row[0])


def raise_epoch(conn: Connection) -> int:
    """Begin a new epoch: from now on, no earlier engine can commit."""
    row = conn.execute("UPDATE engine SET epoch = epoch + 1 RETURNING epoch").fetchone()
    assert row is not None
    epoch: int = row[0]
    return epoch


def claim_sequence(conn: Connection, epoch: int, sequence: int) -> bool:
    """Note the last sequence of a batch; False if a later engine has taken over."""
    cursor = conn.execute(
        "UPDATE engine SET sequence = %s WHERE epoch = %s AND sequence < %s",
        (sequence, epoch, sequence),
    )
    return cursor.rowcount == 1


def read_journal(conn: Connection) -> Iterator[Entry]:
    """Yield the whole journal in order."""
    with conn.cursor(name="journal") as cursor:
        cursor.itersize = READ_ROWS
        cursor.execute("SELECT sequence, payload, hash FROM journal ORDER BY sequence")
        for sequence, payload, sealed in cursor:
            yield Entry(sequence, payload.encode(), sealed)


def read_balances(conn: Connection) -> dict[int, Balance]:
    rows = conn.execute(
        "SELECT account_id, free_sat, locked_sat, free_rao, locked_rao FROM balance"
    )
    return {row[0]: Balance(*row) for row in rows}


def append_journal(conn: Connection, epoch: int, entries: Iterable[Entry]) -> None:
    _copy(
        conn,
        "COPY journal (sequence, epoch, payload, hash) FROM STDIN",
        ((entry.sequence, epoch, entry.payload.decode(), entry.hash) for entry in entries),
    )


def save_projection(conn: Connection, projection: Projection, balances: list[Balance]) -> None:
    """Write all that a batch of facts changes, tables empty in the batch left alone."""
    _insert_orders(conn, projection.orders.values())
    _change_orders(conn, projection.changes)
    _insert_trades(conn, projection)
    _insert_transfers(conn, projection)
    _save_balances(conn, balances)
    _insert_accounts(conn, projection)
    _insert_deposits(conn, projection)
    _insert_withdrawals(conn, projection)
    _close_withdrawals(conn, projection.settled, "completed")
    _close_withdrawals(conn, projection.failed, "failed")


def _copy(conn: Connection, statement: LiteralString, rows: Iterable[tuple[object, ...]]) -> None:
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _insert_orders(conn: Connection, orders: Iterable[OrderRecord]) -> None:
    rows = [
        (
            order.order_id,
            order.account_id,
            order.client_order_id,
            order.side,
            order.kind,
            order.time_in_force,
            order.self_trade,
            order.price_sat,
            order.quantity_rao,
            order.asked_sat,
            order.executed_rao,
            order.executed_sat,
            order.status,
            order.created_ms,
            order.updated_ms,
        )
        for order in orders
    ]
    if rows:
        _copy(
            conn,
            "COPY trade_order (order_id, account_id, client_order_id, side, kind, time_in_force,"
            " self_trade, price_sat, quantity_rao, asked_sat, executed_rao, executed_sat, status,"
            " created_ms, updated_ms) FROM STDIN",
            rows,
        )


def _change_orders(conn: Connection, changes: dict[int, OrderChange]) -> None:
    if not changes:
        return
    columns = zip(
        *(
            (
                order_id,
                change.executed_rao,
                change.executed_sat,
                change.amended_rao,
                change.status,
                change.updated_ms,
            )
            for order_id, change in changes.items()
        ),
        strict=True,
    )
    conn.execute(
        "UPDATE trade_order AS o SET"
        " executed_rao = o.executed_rao + c.executed_rao,"
        " executed_sat = o.executed_sat + c.executed_sat,"
        " quantity_rao = COALESCE(NULLIF(c.amended_rao, 0), o.quantity_rao),"
        " status = COALESCE(c.status, o.status),"
        " updated_ms = c.updated_ms"
        " FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[],"
        " %s::bigint[])"
        " AS c (order_id, executed_rao, executed_sat, amended_rao, status, updated_ms)"
        " WHERE o.order_id = c.order_id",
        [list(column) for column in columns],
    )


def _insert_trades(conn: Connection, projection: Projection) -> None:
    if projection.trades:
        _copy(
            conn,
            "COPY trade (trade_id, time_ms, price_sat, quantity_rao, quote_sat, taker_side,"
            " taker_order_id, taker_account_id, taker_fee_sat, maker_order_id, maker_account_id,"
            " maker_fee_sat) FROM STDIN",
            (
                (
                    trade.trade_id,
                    trade.time_ms,
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
                for trade in projection.trades
            ),
        )


def _insert_transfers(conn: Connection, projection: Projection) -> None:
    if projection.transfers:
        _copy(
            conn,
            "COPY transfer (sequence, asset, source_account, source_pocket, target_account,"
            " target_pocket, amount, reason, reference) FROM STDIN",
            ((sequence, *transfer) for sequence, transfer in projection.transfers),
        )


def _save_balances(conn: Connection, balances: list[Balance]) -> None:
    if balances:
        conn.execute(
            "INSERT INTO balance (account_id, free_sat, locked_sat, free_rao, locked_rao)"
            " SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],"
            " %s::bigint[])"
            " ON CONFLICT (account_id) DO UPDATE SET free_sat = EXCLUDED.free_sat,"
            " locked_sat = EXCLUDED.locked_sat, free_rao = EXCLUDED.free_rao,"
            " locked_rao = EXCLUDED.locked_rao",
            [list(column) for column in zip(*balances, strict=True)],
        )


def _insert_accounts(conn: Connection, projection: Projection) -> None:
    for opened in projection.opened:
        conn.execute(
            "INSERT INTO account (account_id, name, maker_ppm, taker_ppm, opened_ms)"
            " VALUES (%s, %s, %s, %s, %s)",
            (
                opened.account_id,
                opened.name,
                opened.maker_ppm,
                opened.taker_ppm,
                opened.time_ms,
            ),
        )


def _insert_deposits(conn: Connection, projection: Projection) -> None:
    for deposit in projection.deposits:
        conn.execute(
            "INSERT INTO deposit (asset, height, event_index, account_id, amount, address,"
            " transaction_id, credited_ms) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                deposit.asset,
                deposit.height,
                deposit.event_index,
                deposit.account_id,
                deposit.amount,
                deposit.address,
                deposit.transaction_id,
                deposit.time_ms,
            ),
        )


def _insert_withdrawals(conn: Connection, projection: Projection) -> None:
    for request in projection.withdrawals:
        conn.execute(
            "INSERT INTO withdrawal (withdrawal_id, account_id, asset, amount, fee, address,"
            " client_withdrawal_id, status, requested_ms)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, 'requested', %s)",
            (
                request.withdrawal_id,
                request.account_id,
                request.asset,
                request.amount,
                request.fee,
                request.address,
                request.client_withdrawal_id,
                request.time_ms,
            ),
        )


def _close_withdrawals(
    conn: Connection, closed: Iterable[WithdrawalSettled | WithdrawalFailed], status: str
) -> None:
    for fact in closed:
        conn.execute(
            "UPDATE withdrawal SET status = %s, completed_ms = %s WHERE withdrawal_id = %s",
            (status, fact.time_ms, fact.withdrawal_id),
        )
