"""Every query about one account's orders and trades."""

from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import class_row

from exchange_service.domain.projection import OrderRecord


@dataclass(frozen=True, slots=True)
class OwnTrade:
    """A trade from one side's point of view."""

    trade_id: int
    order_id: int
    time_ms: int
    price_sat: int
    quantity_rao: int
    quote_sat: int
    fee_sat: int
    is_buyer: bool
    is_maker: bool


def find_order(
    conn: Connection, account_id: int, order_id: int, client_order_id: str
) -> OrderRecord | None:
    """Return the order by its id, or the newest with this client order id."""
    with conn.cursor(row_factory=class_row(OrderRecord)) as cursor:
        cursor.execute(
            "SELECT * FROM trade_order WHERE account_id = %(account_id)s"
            " AND (%(order_id)s = 0 OR order_id = %(order_id)s)"
            " AND (%(client)s = '' OR client_order_id = %(client)s)"
            " ORDER BY order_id DESC LIMIT 1",
            {"account_id": account_id, "order_id": order_id, "client": client_order_id},
        )
        return cursor.fetchone()


def list_open_orders(conn: Connection, account_id: int) -> list[OrderRecord]:
    with conn.cursor(row_factory=class_row(OrderRecord)) as cursor:
        return cursor.execute(
            "SELECT * FROM trade_order WHERE account_id = %s"
            " AND status IN ('NEW', 'PARTIALLY_FILLED') ORDER BY order_id",
            (account_id,),
        ).fetchall()


def list_orders(
    conn: Connection, account_id: int, from_order_id: int, start_ms: int, end_ms: int, limit: int
) -> list[OrderRecord]:
    """Return orders from an id on; without one the newest, all within the times given."""
    with conn.cursor(row_factory=class_row(OrderRecord)) as cursor:
        return cursor.execute(
            "SELECT * FROM (SELECT * FROM trade_order WHERE account_id = %(account_id)s"
            " AND order_id >= %(first)s AND created_ms BETWEEN %(start)s AND %(end)s"
            " ORDER BY CASE WHEN %(first)s > 0 THEN order_id ELSE -order_id END"
            " LIMIT %(limit)s) AS page ORDER BY order_id",
            {
                "account_id": account_id,
                "first": from_order_id,
                "start": start_ms,
                "end": end_ms,
                "limit": limit,
            },
        ).fetchall()


def list_own_trades(
    conn: Connection,
    account_id: int,
    order_id: int,
    from_trade_id: int,
    start_ms: int,
    end_ms: int,
    limit: int,
) -> list[OwnTrade]:
    """Return trades from an id on; without one the newest, all within the times given."""
    with conn.cursor(row_factory=class_row(OwnTrade)) as cursor:
        return cursor.execute(
            "SELECT * FROM (SELECT * FROM ("
            "  SELECT trade_id, taker_order_id AS order_id, time_ms, price_sat, quantity_rao,"
            "   quote_sat, taker_fee_sat AS fee_sat, taker_side = 'BUY' AS is_buyer,"
            "   false AS is_maker FROM trade WHERE taker_account_id = %(account_id)s"
            "  UNION ALL"
            "  SELECT trade_id, maker_order_id, time_ms, price_sat, quantity_rao,"
            "   quote_sat, maker_fee_sat, taker_side = 'SELL', true"
            "   FROM trade WHERE maker_account_id = %(account_id)s) AS own"
            " WHERE trade_id >= %(first)s AND time_ms BETWEEN %(start)s AND %(end)s"
            "  AND (%(order_id)s = 0 OR order_id = %(order_id)s)"
            " ORDER BY CASE WHEN %(first)s > 0 THEN trade_id ELSE -trade_id END, is_maker"
            " LIMIT %(limit)s) AS page ORDER BY trade_id, is_maker",
            {
                "account_id": account_id,
                "order_id": order_id,
                "first": from_trade_id,
                "start": start_ms,
                "end": end_ms,
                "limit": limit,
            },
        ).fetchall()
