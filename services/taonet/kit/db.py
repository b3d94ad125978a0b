"""
Postgres: a role and a schema per service, numbered migrations, one transaction per request.

No code outside this module commits. `Transaction` is what a route asks for; `begin` is the same for
tasks and loops.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from fastapi import Depends, Request
from psycopg import Connection, sql
from psycopg_pool import ConnectionPool

MIGRATION_LOCK = 0x7A0
"""Advisory lock key: two processes of a service may start at once, one migrates."""
STATEMENT_TIMEOUT_MS = 30_000
POOL_SIZE_MAX = 20
POOL_WAIT_SECONDS = 10.0
WIRE: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""By this libpq notices within half a minute that the way to Postgres is cut. The kernel by itself
takes a quarter of an hour where something was sent, and hours where nothing was."""


class UnfitDatabase(Exception):
    """This database cannot hold our text; the message says what to do."""


def provision(admin_url: str, service: str, password: str) -> str:
    """
    Create a service's role and schema, or bring them up to date, and return its own URL.

    `service` names both; the role may use nothing else. `admin_url` is a superuser's.
    """
    role = sql.Identifier(service)
    with psycopg.connect(admin_url, autocommit=True) as conn:
        if conn.info.encoding != "utf-8":
            raise UnfitDatabase(
                f"the database is encoded as {conn.info.encoding}, which keeps no characters: "
                "make one with ENCODING 'UTF8' and name it in TAONET_DATABASE_URL"
            )
        exists = conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (service,)).fetchone()
        verb = sql.SQL("ALTER" if exists else "CREATE")
        conn.execute(
            sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, role, sql.Literal(password))
        )
        conn.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(role, role))
        conn.execute(sql.SQL("ALTER ROLE {} SET search_path = {}").format(role, role))
        conn.execute(
            sql.SQL("ALTER ROLE {} SET statement_timeout = {}").format(
                role, sql.Literal(STATEMENT_TIMEOUT_MS)
            )
        )
    parts = urlsplit(admin_url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{service}:{quote(password, safe='')}@{address}"))


def migrate(database_url: str, package: str) -> list[str]:
    """
    Apply the numbered .sql files of `package.migrations` that were not applied yet.

    Each runs once, in order, in its own transaction, under a lock. Returns those applied now.
    """
    scripts = sorted(
        (
            entry
            for entry in files(f"{package}.migrations").iterdir()
            if entry.name.endswith(".sql")
        ),
        key=lambda entry: entry.name,
    )
    applied = []
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("SELECT pg_advisory_lock(hashtext(current_schema()), %s)", (MIGRATION_LOCK,))
        conn.execute(
            "CREATE TABLE IF NOT EXISTS migration "
            "(name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())"
        )
        done = {row[0] for row in conn.execute("SELECT name FROM migration")}
        for script in scripts:
            if script.name in done:
                continue
            with conn.transaction():
                # Our own files, from our own package: as trusted as the code itself.
                conn.execute(script.read_text().encode())
                conn.execute("INSERT INTO migration (name) VALUES (%s)", (script.name,))
            applied.append(script.name)
    return applied


def open_pool(database_url: str, size_max: int = POOL_SIZE_MAX) -> ConnectionPool:
    """Return a pool that is being filled; it heals by itself when Postgres restarts."""
    return ConnectionPool(
        database_url,
        kwargs=WIRE,
        min_size=1,
        max_size=size_max,
        timeout=POOL_WAIT_SECONDS,
        check=ConnectionPool.check_connection,
        open=True,
    )


@contextmanager
def begin(pool: ConnectionPool) -> Iterator[Connection]:
    """Give a connection in a transaction: commit on the way out, roll back on an exception."""
    with pool.connection() as conn, conn.transaction():
        yield conn


@contextmanager
def begin_once(database_url: str) -> Iterator[Connection]:
    """
    Give a transaction on a connection of its own, for a command that asks once and ends.

    A pool tries again where Postgres is away; this raises `psycopg.OperationalError` at once.
    """
    with psycopg.connect(database_url, **WIRE) as conn:
        yield conn


@contextmanager
def begin_together(conn: Connection) -> Iterator[Connection]:
    """
    Begin a transaction whose statements are sent without waiting for each other's answers.

    Read each cursor inside the block; the commit is waited for once, at its end.
    """
    with conn.pipeline(), conn.transaction():
        yield conn


def _begin_for_request(request: Request) -> Iterator[Connection]:
    with begin(request.app.state.pool) as conn:
        yield conn


# scope="function": the commit comes before the answer leaves, so a client may trust a 201.
Transaction = Annotated[Connection, Depends(_begin_for_request, scope="function")]
"""One request, one transaction: `def create(body: Body, conn: Transaction)`."""
