"""The one row that says whether the market is open, and what each account pays."""

from typing import NamedTuple

from psycopg import Connection


class StatusRow(NamedTuple):
    status: str
    since_ms: int


class FeeRatesRow(NamedTuple):
    account_id: int
    name: str
    maker_ppm: int
    taker_ppm: int


def find_status(conn: Connection) -> StatusRow:
    row = conn.execute("SELECT status, since_ms FROM market_status").fetchone()
    assert row is not None, "the migration writes this row"
    return StatusRow(*row)


def save_status(conn: Connection, row: StatusRow) -> None:
    conn.execute("UPDATE market_status SET status = %s, since_ms = %s", row)


def find_fee_rates(conn: Connection, name: str) -> FeeRatesRow | None:
    row = conn.execute(
        "SELECT account_id, name, maker_ppm, taker_ppm FROM account WHERE name = %s", (name,)
    ).fetchone()
    return FeeRatesRow(*row) if row else None
