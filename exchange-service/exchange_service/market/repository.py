"""Every query about the trades that everybody may see, and what is drawn from them."""

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from typing import Final

from psycopg import Connection, sql
from psycopg.rows import class_row

from exchange_service.domain.candles import Candle

READ_ROWS: Final = 5_000
TRADE_COLUMNS: Final = sql.SQL(
    "trade_id, time_ms, price_sat, quantity_rao, quote_sat, taker_side, taker_order_id"
)
CANDLE_COLUMNS: Final = sql.SQL(
    "open_ms, open_sat, high_sat, low_sat, close_sat, volume_rao, quote_sat, trades,"
    " taker_buy_rao, taker_buy_sat, first_id, last_id"
)


class DrawnTwice(RuntimeError):
    """Somebody else writes the history of this market."""


@dataclass(frozen=True, slots=True)
class PublicTrade:
    trade_id: int
    time_ms: int
    price_sat: int
    quantity_rao: int
    quote_sat: int
    taker_side: str
    taker_order_id: int


@dataclass(frozen=True, slots=True)
class AggregateTrade:
    """All fills of one taker order at one price."""

    aggregate_id: int
    first_id: int
    last_id: int
    time_ms: int
    price_sat: int
    quantity_rao: int
    taker_side: str


def list_trades(conn: Connection, from_id: int, limit: int) -> list[PublicTrade]:
    """Return trades from an id on."""
    with conn.cursor(row_factory=class_row(PublicTrade)) as cursor:
        return cursor.execute(
            sql.SQL("SELECT {} FROM trade WHERE trade_id >= %s ORDER BY trade_id LIMIT %s").format(
                TRADE_COLUMNS
            ),
            (from_id, limit),
        ).fetchall()


def list_newest_trades(conn: Connection, limit: int) -> list[PublicTrade]:
    """Return the last trades, oldest first."""
    with conn.cursor(row_factory=class_row(PublicTrade)) as cursor:
        newest = cursor.execute(
            sql.SQL("SELECT {} FROM trade ORDER BY trade_id DESC LIMIT %s").format(TRADE_COLUMNS),
            (limit,),
        ).fetchall()
    return newest[::-1]


def stream_trades(conn: Connection, after_id: int) -> Iterator[PublicTrade]:
    """Yield all trades after an id, in order."""
    with (
        conn.transaction(),
        conn.cursor(name="trades", row_factory=class_row(PublicTrade)) as cursor,
    ):
        cursor.itersize = READ_ROWS
        cursor.execute(
            sql.SQL("SELECT {} FROM trade WHERE trade_id > %s ORDER BY trade_id").format(
                TRADE_COLUMNS
            ),
            (after_id,),
        )
        yield from cursor


def list_aggregates(
    conn: Connection, from_id: int, start_ms: int, end_ms: int, limit: int
) -> list[AggregateTrade]:
    """Return aggregates from an id, or of a span of time; with neither the newest."""
    forwards = bool(from_id or start_ms)
    statement = sql.SQL(
        "SELECT aggregate_id, first_id, last_id, time_ms, price_sat, quantity_rao, taker_side"
        " FROM aggregate_trade WHERE aggregate_id >= %(id)s AND time_ms >= %(start)s"
        " AND time_ms <= %(end)s ORDER BY {order} LIMIT %(limit)s"
    )
    orders = ("aggregate_id",) if from_id else ("time_ms", "aggregate_id")
    direction = sql.SQL(" ASC" if forwards else " DESC")
    order = sql.SQL(", ").join(sql.Identifier(column) + direction for column in orders)
    asked = {"id": from_id, "start": start_ms, "end": end_ms, "limit": limit}
    with conn.cursor(row_factory=class_row(AggregateTrade)) as cursor:
        page = cursor.execute(statement.format(order=order), asked).fetchall()
    return page if forwards else page[::-1]


def find_first_trade_ms(conn: Connection) -> int | None:
    row = conn.execute("SELECT time_ms FROM trade ORDER BY trade_id LIMIT 1").fetchone()
    return row[0] if row else None


def find_mark(conn: Connection) -> int:
    """Return the last trade that candles and aggregates hold."""
    row = conn.execute("SELECT last_trade_id FROM history_mark").fetchone()
    assert row is not None
    mark: int = row[0]
    return mark


def find_last_aggregate(conn: Connection) -> int:
    row = conn.execute("SELECT COALESCE(max(aggregate_id), 0) FROM aggregate_trade").fetchone()
    assert row is not None
    last: int = row[0]
    return last


def list_newest_candles(conn: Connection, period: str, limit: int) -> list[Candle]:
    """Return the last candles of an interval that have trades, oldest first."""
    with conn.cursor(row_factory=class_row(Candle)) as cursor:
        newest = cursor.execute(
            sql.SQL(
                "SELECT {} FROM candle WHERE period = %s ORDER BY open_ms DESC LIMIT %s"
            ).format(CANDLE_COLUMNS),
            (period, limit),
        ).fetchall()
    return newest[::-1]


def list_candles(conn: Connection, period: str, start_ms: int, end_ms: int) -> list[Candle]:
    """Return the candles with trades that open from `start_ms` to before `end_ms`."""
    with conn.cursor(row_factory=class_row(Candle)) as cursor:
        return cursor.execute(
            sql.SQL(
                "SELECT {} FROM candle"
                " WHERE period = %s AND open_ms >= %s AND open_ms < %s ORDER BY open_ms"
            ).format(CANDLE_COLUMNS),
            (period, start_ms, end_ms),
        ).fetchall()


def find_close_before(conn: Connection, time_ms: int) -> int:
    """Return the close of the last minute with trades before a moment; 0 if there was none."""
    row = conn.execute(
        "SELECT close_sat FROM candle WHERE period = '1m' AND open_ms < %s"
        " ORDER BY open_ms DESC LIMIT 1",
        (time_ms,),
    ).fetchone()
    return row[0] if row else 0


def save_history(
    conn: Connection,
    candles: Iterable[tuple[str, Candle]],
    aggregates: Iterable[AggregateTrade],
    from_id: int,
    to_id: int,
) -> None:
    """Write candles and aggregates, and that they hold all trades up to `to_id`."""
    marked = conn.execute(
        "UPDATE history_mark SET last_trade_id = %s WHERE last_trade_id = %s", (to_id, from_id)
    )
    if marked.rowcount != 1:
        raise DrawnTwice(f"the history goes no longer up to trade {from_id}")
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO candle (period, open_ms, open_sat, high_sat, low_sat, close_sat,"
            " volume_rao, quote_sat, trades, taker_buy_rao, taker_buy_sat, first_id, last_id)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (period, open_ms) DO UPDATE SET high_sat = EXCLUDED.high_sat,"
            " low_sat = EXCLUDED.low_sat, close_sat = EXCLUDED.close_sat,"
            " volume_rao = EXCLUDED.volume_rao, quote_sat = EXCLUDED.quote_sat,"
            " trades = EXCLUDED.trades, taker_buy_rao = EXCLUDED.taker_buy_rao,"
            " taker_buy_sat = EXCLUDED.taker_buy_sat, last_id = EXCLUDED.last_id",
            [(period, *astuple(candle)) for period, candle in candles],
        )
        with cursor.copy(
            "COPY aggregate_trade (aggregate_id, first_id, last_id, time_ms, price_sat,"
            " quantity_rao, taker_side) FROM STDIN"
        ) as copy:
            for row in aggregates:
                copy.write_row(astuple(row))
