"""
Many rows at once, in Postgres' own text forms.

The driver looks at the type of each value; where tens of thousands of rows a second are written by
one process, that costs more than all else it does.
"""

from collections.abc import Iterable
from itertools import islice

from psycopg import Connection

NULL = r"\N"
ROWS_PER_PIECE = 1_000


def escape(text: str) -> str:
    """Return a text as a field of COPY's text format."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def escape_json(text: str) -> str:
    """Return JSON as a field of COPY's text format: of what is escaped it has backslashes only."""
    return text.replace("\\", "\\\\")


def copy_rows(conn: Connection, table: str, rows: Iterable[str]) -> None:
    """Write rows, each in COPY's text format with its newline, to `table (column, …)`."""
    rows = iter(rows)
    with conn.cursor().copy(f"COPY {table} FROM STDIN") as copy:
        while piece := "".join(islice(rows, ROWS_PER_PIECE)):
            copy.write(piece)


def write_array(values: Iterable[int | str]) -> str:
    """Return integers, or texts of letters and digits only, as the literal of an array."""
    return f"{{{','.join(map(str, values))}}}"
