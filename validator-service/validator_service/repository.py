"""The SQL that gateway and worker share; each has its own beside it."""

from psycopg import Connection

JOIN_LOCK = 0x7A1
"""Advisory lock key: gateway and worker both try to register, one does the work."""


def try_lock_joining(conn: Connection) -> bool:
    """Hold until the end of the transaction; False where somebody else holds it."""
    row = conn.execute(
        "SELECT pg_try_advisory_xact_lock(hashtext(current_schema()), %s)", (JOIN_LOCK,)
    ).fetchone()
    return row is not None and bool(row[0])


def ping(conn: Connection) -> None:
    conn.execute("SELECT 1")
