"""Every query about one account's orders, pairs and trades."""

from dataclasses import dataclass
from typing import Final

from psycopg import Connection, sql
from psycopg.rows import class_row

from exchange_service.domain.projection import OrderRecord

ORDER_COLUMNS: Final = sql.SQL(
    "order_id, account_id, client_order_id, side, kind, time_in_force, self_trade, price_sat,"
    " quantity_rao, asked_sat, executed_rao, executed_sat, status, created_ms, updated_ms,"
    " stop_price_sat, iceberg_rao, list_id, prevented_rao, working_ms"
)


@dataclass(frozen=True, slots=True)
class OwnTrade:
    """A trade from one side's point of view."""

    trade_id: int
    order_id: int
    list_id: int
    time_ms: int
    price_sat: int
    quantity_rao: int
    quote_sat: int
    fee_sat: int
    is_buyer: bool
    is_maker: bool


@dataclass(frozen=True, slots=True)
class PairRecord:
    """Two orders of which one cancels the other."""

    list_id: int
    account_id: int
    client_list_id: str
    opened_ms: int
    done_ms: int
    """0 while both legs are open."""


@dataclass(frozen=True, slots=True)
class PreventedMatch:
    prevented_id: int
    time_ms: int
    account_id: int
    taker_order_id: int
    maker_order_id: int
    price_sat: int
    taker_rao: int
    maker_rao: int
    self_trade: str


@dataclass(frozen=True, slots=True)
class Amendment:
    amendment_id: int
    order_id: int
    time_ms: int
    previous_rao: int
    quantity_rao: int
    previous_client_order_id: str
    client_order_id: str


def find_order(
    conn: Connection, account_id: int, order_id: int, client_order_id: str
) -> OrderRecord | None:
    """Return the order by its id, or the newest with this client order id."""
    conditions = [sql.SQL("account_id = %(account)s")]
    if order_id:
        conditions.append(sql.SQL("order_id = %(order)s"))
    if client_order_id:
        conditions.append(sql.SQL("client_order_id = %(client)s"))
    statement = sql.SQL(
        "SELECT {} FROM trade_order WHERE {} ORDER BY order_id DESC LIMIT 1"
    ).format(ORDER_COLUMNS, sql.SQL(" AND ").join(conditions))
    asked = {"account": account_id, "order": order_id, "client": client_order_id}
    with conn.cursor(row_factory=class_row(OrderRecord)) as cursor:
        return cursor.execute(statement, asked).fetchone()


def list_open_orders(conn: Connection, account_id: int) -> list[OrderRecord]:
    statement = sql.SQL(
        "SELECT {} FROM trade_order WHERE account_id = %s"
        " AND status IN ('NEW', 'PARTIALLY_FILLED') ORDER BY order_id"
    ).format(ORDER_COLUMNS)
    with conn.cursor(row_factory=class_row(OrderRecord)) as cursor:
        return cursor.execute(statement, (account_id,)).fetchall()


def list_orders(
    conn: Connection, account_id: int, from_order_id: int, start_ms: int, end_ms: int, limit: int
) -> list[OrderRecord]:
    """Return orders from an id or a time on; without one the newest, up to the end given."""
    forwards = from_order_id > 0 or start_ms > 0
    direction = sql.SQL("ASC" if forwards else "DESC")
    statement = sql.SQL(
        "SELECT {} FROM trade_order WHERE account_id = %s AND order_id >= %s"
        " AND created_ms BETWEEN %s AND %s ORDER BY order_id {} LIMIT %s"
    ).format(ORDER_COLUMNS, direction)
    asked = (account_id, from_order_id, start_ms, end_ms, limit)
    with conn.cursor(row_factory=class_row(OrderRecord)) as cursor:
        page = cursor.execute(statement, asked).fetchall()
    return page if forwards else page[::-1]


def list_legs(conn: Connection, list_ids: list[int]) -> dict[int, list[OrderRecord]]:
    """Return the orders of some pairs, by the pair."""
    statement = sql.SQL(
        "SELECT {} FROM trade_order WHERE list_id = ANY(%s) ORDER BY order_id"
    ).format(ORDER_COLUMNS)
    legs: dict[int, list[OrderRecord]] = {list_id: [] for list_id in list_ids}
    with conn.cursor(row_factory=class_row(OrderRecord)) as cursor:
        for order in cursor.execute(statement, (list_ids,)):
            legs[order.list_id].append(order)
    return legs


def find_pair(
    conn: Connection, account_id: int, list_id: int, client_list_id: str
) -> PairRecord | None:
    """Return the pair by its id, or the newest with this client id."""
    with conn.cursor(row_factory=class_row(PairRecord)) as cursor:
        return cursor.execute(
            "SELECT list_id, account_id, client_list_id, opened_ms, done_ms FROM order_pair"
            " WHERE account_id = %(account)s AND (%(list)s = 0 OR list_id = %(list)s)"
            " AND (%(client)s = '' OR client_list_id = %(client)s)"
            " ORDER BY list_id DESC LIMIT 1",
            {"account": account_id, "list": list_id, "client": client_list_id},
        ).fetchone()


def list_pairs(
    conn: Connection,
    account_id: int,
    from_list_id: int,
    start_ms: int,
    end_ms: int,
    limit: int,
    only_open: bool = False,
) -> list[PairRecord]:
    """Return pairs from an id or a time on; without one the newest, up to the end given."""
    forwards = from_list_id > 0 or start_ms > 0
    direction = sql.SQL("ASC" if forwards else "DESC")
    statement = sql.SQL(
        "SELECT list_id, account_id, client_list_id, opened_ms, done_ms FROM order_pair"
        " WHERE account_id = %s AND list_id >= %s AND opened_ms BETWEEN %s AND %s"
        " AND (done_ms = 0 OR NOT %s) ORDER BY list_id {} LIMIT %s"
    ).format(direction)
    asked = (account_id, from_list_id, start_ms, end_ms, only_open, limit)
    with conn.cursor(row_factory=class_row(PairRecord)) as cursor:
        page = cursor.execute(statement, asked).fetchall()
    return page if forwards else page[::-1]


def list_prevented(
    conn: Connection, account_id: int, prevented_id: int, order_id: int, from_id: int, limit: int
) -> list[PreventedMatch]:
    """Return the matches prevented: one by its id, or those of an order, from an id on."""
    with conn.cursor(row_factory=class_row(PreventedMatch)) as cursor:
        return cursor.execute(
            "SELECT prevented_id, time_ms, account_id, taker_order_id, maker_order_id, price_sat,"
            " taker_rao, maker_rao, self_trade FROM prevented_match"
            " WHERE account_id = %(account)s AND prevented_id >= %(from)s"
            " AND (%(id)s = 0 OR prevented_id = %(id)s)"
            " AND (%(order)s = 0 OR %(order)s IN (taker_order_id, maker_order_id))"
            " ORDER BY prevented_id LIMIT %(limit)s",
            {
                "account": account_id,
                "id": prevented_id,
                "order": order_id,
                "from": from_id,
                "limit": limit,
            },
        ).fetchall()


def list_amendments(
    conn: Connection, account_id: int, order_id: int, from_id: int, limit: int
) -> list[Amendment]:
    with conn.cursor(row_factory=class_row(Amendment)) as cursor:
        return cursor.execute(
            "SELECT amendment_id, order_id, time_ms, previous_rao, quantity_rao,"
            " previous_client_order_id, client_order_id FROM amendment"
            " WHERE account_id = %s AND order_id = %s AND amendment_id >= %s"
            " ORDER BY amendment_id LIMIT %s",
            (account_id, order_id, from_id, limit),
        ).fetchall()


def find_amendment(conn: Connection, order_id: int, quantity_rao: int) -> int:
    """Return the number of the amendment that made an order this small: no two of them did."""
    row = conn.execute(
        "SELECT amendment_id FROM amendment WHERE order_id = %s AND quantity_rao = %s",
        (order_id, quantity_rao),
    ).fetchone()
    assert row is not None
    found: int = row[0]
    return found


def find_fee_rates(conn: Connection, account_id: int) -> tuple[int, int]:
    """Return the maker's and the taker's rate of an account, in millionths."""
    row = conn.execute(
        "SELECT maker_ppm, taker_ppm FROM account WHERE account_id = %s", (account_id,)
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def list_own_trades(
    conn: Connection,
    account_id: int,
    order_id: int,
    from_trade_id: int | None,
    start_ms: int,
    end_ms: int,
    limit: int,
) -> list[OwnTrade]:
    """Return trades from an id or a time on; without one the newest, up to the end given."""
    forwards = from_trade_id is not None or start_ms > 0
    asked = {
        "account": account_id,
        "order": order_id,
        "from": from_trade_id or 0,
        "start": start_ms,
        "end": end_ms,
        "limit": limit,
    }
    with conn.cursor(row_factory=class_row(OwnTrade)) as cursor:
        trades = cursor.execute(_select_own_trades(forwards), asked).fetchall()
    return trades if forwards else sorted(trades, key=lambda one: (one.trade_id, one.is_maker))


def _select_own_trades(forwards: bool) -> sql.Composed:
    """Return the statement: a page of each side, as taker and as maker, and a page of both."""
    page = sql.SQL(
        "SELECT trade_id, {order_id} AS order_id, time_ms, price_sat, quantity_rao, quote_sat,"
        " {fee} AS fee_sat, taker_side = {buys} AS is_buyer, {maker} AS is_maker FROM trade"
        " WHERE {account} = %(account)s AND trade_id >= %(from)s"
        " AND time_ms BETWEEN %(start)s AND %(end)s"
        " AND (%(order)s = 0 OR {order_id} = %(order)s) ORDER BY trade_id {way} LIMIT %(limit)s"
    )
    way = sql.SQL("ASC" if forwards else "DESC")
    sides = [
        page.format(
            order_id=sql.Identifier(f"{role}_order_id"),
            fee=sql.Identifier(f"{role}_fee_sat"),
            account=sql.Identifier(f"{role}_account_id"),
            buys=sql.Literal("BUY" if role == "taker" else "SELL"),
            maker=sql.Literal(role == "maker"),
            way=way,
        )
        for role in ("taker", "maker")
    ]
    return sql.SQL(
        "SELECT own.*, o.list_id FROM (({}) UNION ALL ({})) AS own JOIN trade_order AS o"
        " USING (order_id) ORDER BY trade_id {}, is_maker LIMIT %(limit)s"
    ).format(*sides, way)
