"""What the exchange's tables tell Prometheus."""

from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import class_row

from exchange_service.domain.accounts import FIRST_ACCOUNT


@dataclass(frozen=True)
class WatchRow:
    """Single figures, of one moment."""

    owed_sat: int
    owed_rao: int
    silence_seconds: float
    """Since the engine last wrote, or said that it lives."""
    history_lag_trades: int
    """Trades that no candle has taken up."""
    journal_entries: int


def load_watch(conn: Connection) -> WatchRow:
    with conn.cursor(row_factory=class_row(WatchRow)) as cursor:
        row = cursor.execute(
            """SELECT
                 coalesce(sum(free_sat + locked_sat), 0)::bigint AS owed_sat,
                 coalesce(sum(free_rao + locked_rao), 0)::bigint AS owed_rao,
                 (SELECT extract(epoch FROM clock_timestamp() - alive_at)::float8 FROM engine)
                   AS silence_seconds,
                 (SELECT coalesce(max(trade_id), 0) FROM trade)
                   - (SELECT last_trade_id FROM history_mark) AS history_lag_trades,
                 (SELECT coalesce(max(sequence), 0) FROM journal) AS journal_entries
               FROM balance WHERE account_id >= %s""",
            (FIRST_ACCOUNT,),
        ).fetchone()
    assert row is not None
    return row


def count_deposits(conn: Connection) -> list[tuple[str, int]]:
    """Return (asset, number) of all deposits that were credited."""
    return conn.execute("SELECT asset, count(*) FROM deposit GROUP BY asset").fetchall()


def count_withdrawals(conn: Connection) -> list[tuple[str, str, int]]:
    """Return (asset, state, number)."""
    return conn.execute(
        "SELECT asset, status, count(*) FROM withdrawal GROUP BY asset, status"
    ).fetchall()
