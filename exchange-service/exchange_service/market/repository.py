"""Every query about the trades that everybody may see."""

from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import class_row, tuple_row

from exchange_service.domain.candles import Candle


@dataclass(frozen=True, slots=True)
class PublicTrade:
    trade_id: int
    time_ms: int
    price_sat: int
    quantity_rao: int
    quote_sat: int
    taker_side: str


@dataclass(frozen=True, slots=True)
class AggregateTrade:
    """All fills of one taker order at one price."""

    first_id: int
    last_id: int
    time_ms: int
    price_sat: int
    quantity_rao: int
    taker_side: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What was traded in a window of time; all 0 where nothing was."""

    open_sat: int
    high_sat: int
    low_sat: int
    last_sat: int
    last_rao: int
    volume_rao: int
    quote_sat: int
    first_id: int
    last_id: int
    trades: int


def list_trades(conn: Connection, from_id: int, limit: int) -> list[PublicTrade]:
    """Return trades from an id on; without one the newest."""
    with conn.cursor(row_factory=class_row(PublicTrade)) as cursor:
        return cursor.execute(
            "SELECT * FROM (SELECT trade_id, time_ms, price_sat, quantity_rao, quote_sat,"
            " taker_side FROM trade WHERE trade_id >= %(first)s"
            " ORDER BY CASE WHEN %(first)s > 0 THEN trade_id ELSE -trade_id END"
            " LIMIT %(limit)s) AS page ORDER BY trade_id",
            {"first": from_id, "limit": limit},
        ).fetchall()


def list_aggregates(
    conn: Connection, from_id: int, start_ms: int, end_ms: int, limit: int
) -> list[AggregateTrade]:
    """Return aggregates from an id or a time on; without either the newest."""
    with conn.cursor(row_factory=class_row(AggregateTrade)) as cursor:
        return cursor.execute(
            "SELECT * FROM (SELECT min(trade_id) AS first_id, max(trade_id) AS last_id,"
            " min(time_ms) AS time_ms, price_sat, sum(quantity_rao)::bigint AS quantity_rao,"
            " taker_side FROM trade"
            " WHERE trade_id >= %(first)s AND time_ms BETWEEN %(start)s AND %(end)s"
            " GROUP BY taker_order_id, taker_side, price_sat"
            " ORDER BY CASE WHEN %(first)s > 0 OR %(start)s > 0"
            "  THEN min(trade_id) ELSE -min(trade_id) END"
            " LIMIT %(limit)s) AS page ORDER BY first_id",
            {"first": from_id, "start": start_ms, "end": end_ms, "limit": limit},
        ).fetchall()


def find_first_trade_ms(conn: Connection) -> int | None:
    row = conn.execute("SELECT time_ms FROM trade ORDER BY trade_id LIMIT 1").fetchone()
    return row[0] if row else None


def find_price_before(conn: Connection, time_ms: int) -> int:
    """Return the last price before a moment; 0 if there was none."""
    row = conn.execute(
        "SELECT price_sat FROM trade WHERE time_ms < %s ORDER BY time_ms DESC, trade_id DESC"
        " LIMIT 1",
        (time_ms,),
    ).fetchone()
    return row[0] if row else 0


def list_candles(conn: Connection, opens: list[int], end_ms: int) -> dict[int, Candle]:
    """Return the candles that have trades, by their open, of those that open at `opens`."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(
            "SELECT (%(opens)s::bigint[])[width_bucket(time_ms, %(opens)s::bigint[])] AS open_ms,"
            " (array_agg(price_sat ORDER BY trade_id))[1], max(price_sat), min(price_sat),"
            " (array_agg(price_sat ORDER BY trade_id DESC))[1],"
            " sum(quantity_rao)::bigint, sum(quote_sat)::bigint, count(*),"
            " COALESCE(sum(quantity_rao) FILTER (WHERE taker_side = 'BUY'), 0)::bigint,"
            " COALESCE(sum(quote_sat) FILTER (WHERE taker_side = 'BUY'), 0)::bigint"
            " FROM trade WHERE time_ms >= %(start)s AND time_ms < %(end)s GROUP BY open_ms",
            {"opens": opens, "start": opens[0], "end": end_ms},
        ).fetchall()
    return {row[0]: Candle(*row) for row in rows}


def summarise(conn: Connection, start_ms: int) -> Summary:
    """Return what was traded since a moment."""
    with conn.cursor(row_factory=class_row(Summary)) as cursor:
        summary = cursor.execute(
            "SELECT COALESCE((array_agg(price_sat ORDER BY trade_id))[1], 0) AS open_sat,"
            " COALESCE(max(price_sat), 0) AS high_sat, COALESCE(min(price_sat), 0) AS low_sat,"
            " COALESCE((array_agg(price_sat ORDER BY trade_id DESC))[1], 0) AS last_sat,"
            " COALESCE((array_agg(quantity_rao ORDER BY trade_id DESC))[1], 0) AS last_rao,"
            " COALESCE(sum(quantity_rao), 0)::bigint AS volume_rao,"
            " COALESCE(sum(quote_sat), 0)::bigint AS quote_sat,"
            " COALESCE(min(trade_id), -1) AS first_id, COALESCE(max(trade_id), -1) AS last_id,"
            " count(*) AS trades FROM trade WHERE time_ms >= %s",
            (start_ms,),
        ).fetchone()
    assert summary is not None
    return summary
