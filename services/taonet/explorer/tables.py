"""SQL panels: what the committed dashboards ask of Postgres, by a role that may only read."""

import re
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from taonet.explorer.boards import Panel, fill_variables
from taonet.explorer.prometheus import choose_step
from taonet.kit.errors import Unavailable

ROWS_MAX = 500
STATEMENT_SECONDS = 5


async def ask_tables(
    database_url: str, panel: Panel, variables: dict[str, str], seconds: int
) -> dict[str, Any]:
    """Return a panel's rows, in a transaction that can change nothing and ends soon."""
    if not database_url:
        raise Unavailable(
            "this panel reads Postgres: set TAONET_EXPLORER_DASHBOARDS_DATABASE_URL to a role "
            "that may only read"
        )
    statement = fill_macros(panel.targets[0].text, variables, seconds, int(time.time()))
    try:
        columns, rows = await _read(database_url, statement)
    except psycopg.Error as error:
        raise Unavailable(f"Postgres gives no answer to this panel: {error}".strip()) from None
    return {
        "columns": columns,
        "rows": [[_tell(value) for value in row] for row in rows[:ROWS_MAX]],
        "left_out": max(len(rows) - ROWS_MAX, 0),
    }


async def _read(database_url: str, statement: str) -> tuple[list[str], list[TupleRow]]:
    async with await psycopg.AsyncConnection.connect(database_url, connect_timeout=3) as conn:
        await conn.set_read_only(True)
        await conn.execute(f"SET LOCAL statement_timeout = {STATEMENT_SECONDS * 1000}")
        # Only what the repository's own dashboards say gets here, and the role can't write.
        cursor = await conn.execute(statement.encode())
        rows = await cursor.fetchmany(ROWS_MAX + 1)
        return [column.name for column in cursor.description or ()], rows


def fill_macros(text: str, variables: dict[str, str], seconds: int, now_s: int) -> str:
    """Put in Grafana's macros for Postgres: times of the range, and groups of time."""
    start, end = (f"to_timestamp({at})" for at in (now_s - seconds, now_s))
    text = re.sub(r"\$__timeFilter\(([^)]*)\)", rf"\1 BETWEEN {start} AND {end}", text)
    text = text.replace("$__timeFrom()", start).replace("$__timeTo()", end)
    step = choose_step(seconds)
    grouped = rf"to_timestamp(floor(extract(epoch FROM \1) / {step}) * {step})"
    text = re.sub(r"\$__timeGroup(?:Alias)?\(([^,()]*),[^)]*\)", grouped, text)
    return fill_variables(text, variables, step, seconds)


def _tell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(value, Decimal) and value != value.to_integral_value():
        return float(value)
    if isinstance(value, Decimal):
        value = int(value)
    # Beyond that, JavaScript would round it.
    return str(value) if isinstance(value, int) and abs(value) > 2**53 else value
