"""The tables that people and programs ask: every row that a batch of facts adds or changes."""

from collections.abc import Iterable
from typing import Final, LiteralString

from psycopg import Connection

from exchange_service.domain.facts import (
    FeeRatesSet,
    MatchPrevented,
    OrderAmended,
    PairDone,
    PairOpened,
    Traded,
    WithdrawalFailed,
    WithdrawalSettled,
)
from exchange_service.domain.projection import OrderChange, OrderRecord, Projection

ORDER_COLUMNS: Final = (
    "order_id, account_id, client_order_id, side, kind, time_in_force, self_trade, price_sat,"
    " quantity_rao, asked_sat, executed_rao, executed_sat, status, created_ms, updated_ms,"
    " stop_price_sat, iceberg_rao, list_id, prevented_rao, working_ms"
)
TRADE_COLUMNS: Final = (
    "time_ms, trade_id, price_sat, quantity_rao, quote_sat, taker_side, taker_order_id,"
    " taker_account_id, taker_fee_sat, maker_order_id, maker_account_id, maker_fee_sat"
)
UNSAFE: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
"""What COPY takes for its own signs; texts that come from outside are cleared of it."""


def save_projection(conn: Connection, projection: Projection) -> None:
    """Write all that a batch of facts changes, tables empty in the batch left alone."""
    _insert_orders(conn, projection.orders.values())
    _change_orders(conn, projection.changes)
    _insert_trades(conn, projection.trades)
    _insert_prevented(conn, projection.prevented)
    _insert_amendments(conn, projection.amendments)
    _insert_pairs(conn, projection.pairs)
    _close_pairs(conn, projection.pairs_done)
    _insert_accounts(conn, projection)
    _change_fee_rates(conn, projection.fee_rates)
    _insert_deposits(conn, projection)
    _insert_withdrawals(conn, projection)
    _close_withdrawals(conn, projection.settled, "completed")
    _close_withdrawals(conn, projection.failed, "failed")


def _copy(conn: Connection, statement: LiteralString, lines: list[str]) -> None:
    if lines:
        with conn.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write("".join(lines))


def _insert_orders(conn: Connection, orders: Iterable[OrderRecord]) -> None:
    _copy(
        conn,
        f"COPY trade_order ({ORDER_COLUMNS}) FROM STDIN",
        [
            f"{row.order_id}\t{row.account_id}\t{row.client_order_id.translate(UNSAFE)}"
            f"\t{row.side}\t{row.kind}\t{row.time_in_force}\t{row.self_trade}"
            f"\t{row.price_sat}\t{row.quantity_rao}\t{row.asked_sat}"
            f"\t{row.executed_rao}\t{row.executed_sat}\t{row.status}"
            f"\t{row.created_ms}\t{row.updated_ms}\t{row.stop_price_sat}\t{row.iceberg_rao}"
            f"\t{row.list_id}\t{row.prevented_rao}\t{row.working_ms}\n"
            for row in orders
        ],
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
                change.prevented_rao,
                change.amended_rao,
                change.client_order_id,
                change.status,
                change.working_ms,
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
        " prevented_rao = o.prevented_rao + c.prevented_rao,"
        " quantity_rao = COALESCE(NULLIF(c.amended_rao, 0), o.quantity_rao),"
        " client_order_id = COALESCE(NULLIF(c.client_order_id, ''), o.client_order_id),"
        " status = COALESCE(c.status, o.status),"
        " working_ms = COALESCE(NULLIF(c.working_ms, 0), o.working_ms),"
        " updated_ms = c.updated_ms"
        " FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],"
        " %s::text[], %s::text[], %s::bigint[], %s::bigint[])"
        " AS c (order_id, executed_rao, executed_sat, prevented_rao, amended_rao, client_order_id,"
        " status, working_ms, updated_ms)"
        " WHERE o.order_id = c.order_id",
        [list(column) for column in columns],
    )


def _insert_trades(conn: Connection, trades: list[Traded]) -> None:
    _copy(
        conn,
        f"COPY trade ({TRADE_COLUMNS}) FROM STDIN",
        [
            f"{trade.time_ms}\t{trade.trade_id}\t{trade.price_sat}\t{trade.quantity_rao}"
            f"\t{trade.quote_sat}\t{trade.taker_side}\t{trade.taker_order_id}"
            f"\t{trade.taker_account_id}\t{trade.taker_fee_sat}\t{trade.maker_order_id}"
            f"\t{trade.maker_account_id}\t{trade.maker_fee_sat}\n"
            for trade in trades
        ],
    )


def _insert_prevented(conn: Connection, prevented: list[MatchPrevented]) -> None:
    for match in prevented:
        conn.execute(
            "INSERT INTO prevented_match (time_ms, prevented_id, account_id, taker_order_id,"
            " maker_order_id, price_sat, taker_rao, maker_rao, self_trade)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            match[:9],
        )


def _insert_amendments(conn: Connection, amendments: list[OrderAmended]) -> None:
    for amended in amendments:
        conn.execute(
            "INSERT INTO amendment (order_id, account_id, time_ms, previous_rao, quantity_rao,"
            " previous_client_order_id, client_order_id) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                amended.terms.order_id,
                amended.terms.account_id,
                amended.time_ms,
                amended.previous_rao,
                amended.quantity_rao,
                amended.previous_client_order_id,
                amended.terms.client_order_id,
            ),
        )


def _insert_pairs(conn: Connection, pairs: list[PairOpened]) -> None:
    for pair in pairs:
        conn.execute(
            "INSERT INTO order_pair (opened_ms, list_id, account_id, client_list_id,"
            " above_order_id, below_order_id) VALUES (%s, %s, %s, %s, %s, %s)",
            (*pair[:4], *pair.order_ids),
        )


def _close_pairs(conn: Connection, done: list[PairDone]) -> None:
    for pair in done:
        conn.execute(
            "UPDATE order_pair SET done_ms = %s WHERE list_id = %s", (pair.time_ms, pair.list_id)
        )


def _change_fee_rates(conn: Connection, changes: list[FeeRatesSet]) -> None:
    for change in changes:
        conn.execute(
            "UPDATE account SET maker_ppm = %s, taker_ppm = %s WHERE account_id = %s",
            (change.maker_ppm, change.taker_ppm, change.account_id),
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
