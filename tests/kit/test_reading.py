"""The reader: what it is shown, and that it can do nothing."""

import secrets
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql
from tests.kit.test_outbox import BookSold

from taonet.kit import outbox
from taonet.kit.reading import provision_reader
from taonet.local.readable import TABLES


@pytest.fixture
def role(postgres_admin_url: str) -> Iterator[str]:
    name = f"test_reader_{secrets.token_hex(4)}"
    yield name
    with psycopg.connect(postgres_admin_url, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP OWNED BY {0}").format(sql.Identifier(name)))
        conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def schema(bookshop_url: str) -> str:
    with psycopg.connect(bookshop_url) as conn:
        outbox.record(conn, "shop.sales", BookSold("dune"))
        row = conn.execute("SELECT current_schema()").fetchone()
    assert row is not None
    return str(row[0])


def test_it_reads_the_named_tables_and_no_other(
    postgres_admin_url: str, schema: str, role: str
) -> None:
    url = provision_reader(postgres_admin_url, "secret", {schema: ["outbox"]}, role)

    with psycopg.connect(url, autocommit=True) as conn:
        held = conn.execute(sql.SQL("SELECT kind FROM {}.outbox").format(sql.Identifier(schema)))
        assert held.fetchall() == [("BookSold",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(sql.SQL("SELECT * FROM {}.book").format(sql.Identifier(schema)))


def test_it_changes_nothing_however_it_tries(
    postgres_admin_url: str, schema: str, role: str
) -> None:
    url = provision_reader(postgres_admin_url, "secret", {schema: ["outbox"]}, role)
    delete = sql.SQL("DELETE FROM {}.outbox").format(sql.Identifier(schema))

    with psycopg.connect(url, autocommit=True) as conn:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            conn.execute(delete)
        conn.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(delete)


def test_what_is_no_longer_named_is_taken_back(
    postgres_admin_url: str, schema: str, role: str
) -> None:
    provision_reader(postgres_admin_url, "secret", {schema: ["outbox", "book"]}, role)
    url = provision_reader(postgres_admin_url, "changed", {schema: ["book"]}, role)

    statement = sql.SQL("SELECT * FROM {}.outbox").format(sql.Identifier(schema))
    with (
        psycopg.connect(url, autocommit=True) as conn,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        conn.execute(statement)


SECRET = {"secret", "api_key", "passage", "snapshot", "journal", "deposit_address", "answer"}


@pytest.mark.parametrize(
    "package", ["chain_service", "validator_service", "exchange_service", "bitcoin_node"]
)
def test_tables_that_dashboards_read_exist_and_none_holds_a_secret(
    package: str, database: Callable[[str], str]
) -> None:
    with psycopg.connect(database(package)) as conn:
        there = {
            row[0]
            for row in conn.execute(
                "SELECT table_name FROM information_schema.tables "
                "WHERE table_schema = current_schema()"
            )
        }

    assert set(TABLES[package]) <= there
    assert not set(TABLES[package]) & SECRET
