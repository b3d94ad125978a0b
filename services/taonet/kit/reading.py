"""
The reader: a role that sees tables of several services, and can change nothing.

Dashboards ask by it what must be exact. It sees the tables that are named here and no other:
neither keys, secrets, nor whom anybody pays.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

ROLE = "reader"
STATEMENT_TIMEOUT_MS = 10_000
CONNECTIONS_MAX = 20


def provision_reader(
    admin_url: str, password: str, readable: Mapping[str, Iterable[str]], role: str = ROLE
) -> str:
    """
    Create the reader, or bring it up to date, and return its URL.

    `readable` are tables by schema. What it was allowed before and is not named is taken back.
    """
    name = sql.Identifier(role)
    with psycopg.connect(admin_url) as conn:
        exists = conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
        verb = sql.SQL("ALTER" if exists else "CREATE")
        conn.execute(
            sql.SQL("{} ROLE {} LOGIN PASSWORD {} CONNECTION LIMIT {}").format(
                verb, name, sql.Literal(password), sql.Literal(CONNECTIONS_MAX)
            )
        )
        for setting, value in (
            ("default_transaction_read_only", "on"),
            ("statement_timeout", STATEMENT_TIMEOUT_MS),
        ):
            conn.execute(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(
                    name, sql.Identifier(setting), sql.Literal(value)
                )
            )
        conn.execute(sql.SQL("GRANT pg_read_all_stats TO {}").format(name))
        for schema, tables in readable.items():
            inside = sql.Identifier(schema)
            conn.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(inside, name))
            conn.execute(
                sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA {} FROM {}").format(inside, name)
            )
            listed = sql.SQL(", ").join(sql.Identifier(schema, table) for table in tables)
            conn.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(listed, name))
    parts = urlsplit(admin_url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{quote(password, safe='')}@{address}"))
