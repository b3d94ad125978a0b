"""The one row that says whether the market is open."""

from typing import NamedTuple

from psycopg import Connection


class StatusRow(NamedTuple):
    status: str
    since_ms: int


def find_status(conn: Connection) -> StatusRow:
    row = conn.execute("SELECT status, since_ms FROM market_status").fetchone()
    assert row is not None, "the migration writes this row"
    return StatusRow(*row)


def save_status(conn: Connection, row: StatusRow) -> None:
    conn.execute("UPDATE market_status SET status = %s, since_ms = %s", row)
