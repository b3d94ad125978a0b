from collections.abc import Iterator

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from psycopg_pool import ConnectionPool

from taonet.kit import db
from taonet.kit.db import Transaction
from taonet.kit.errors import Refusal
from taonet.kit.web import create_app


@pytest.fixture
def pool(bookshop_url: str) -> Iterator[ConnectionPool]:
    with db.open_pool(bookshop_url) as pool:
        yield pool


def count_books(url: str) -> int:
    with psycopg.connect(url) as conn:
        row = conn.execute("SELECT count(*) FROM book").fetchone()
    assert row is not None
    return int(row[0])


def create_bookshop(pool: ConnectionPool) -> FastAPI:
    app = create_app("bookshop", title="Bookshop")
    app.state.pool = pool

    @app.post("/books/{title}", status_code=201)
    def add_book(title: str, conn: Transaction) -> dict[str, str]:
        conn.execute("INSERT INTO book VALUES (%s, 5)", (title,))
        if title == "unwanted":
            raise Refusal("we do not sell that")
        return {"title": title}

    return app


def test_migrating_twice_does_nothing_the_second_time(bookshop_url: str) -> None:
    assert db.migrate(bookshop_url, "bookshop") == []


def test_a_service_sees_only_its_own_schema(bookshop_url: str, postgres_admin_url: str) -> None:
    other = db.provision(postgres_admin_url, "test_other_shop", "test")
    name = bookshop_url.split("//")[1].split(":")[0]
    with psycopg.connect(other) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(psycopg.sql.SQL("SELECT * FROM {}.book").format(psycopg.sql.Identifier(name)))


def test_the_commit_comes_before_the_answer(bookshop_url: str, pool: ConnectionPool) -> None:
    with TestClient(create_bookshop(pool)) as client:
        answer = client.post("/books/dune")

        assert (answer.status_code, count_books(bookshop_url)) == (201, 1)


def test_a_refusal_leaves_nothing_behind(bookshop_url: str, pool: ConnectionPool) -> None:
    with TestClient(create_bookshop(pool)) as client:
        answer = client.post("/books/unwanted")

    assert answer.status_code == 409
    assert answer.json() == {"error": {"code": "Refusal", "message": "we do not sell that"}}
    assert count_books(bookshop_url) == 0
