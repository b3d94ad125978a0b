"""Audits that run beside the work: what they find is shown, and a fault of theirs is no silence."""

import pytest
from psycopg import Connection

from taonet.kit import db
from taonet.kit.audits import Audits
from taonet.kit.metrics import AUDIT_FAULTS, AUDIT_TIME


def count_books(conn: Connection) -> int:
    row = conn.execute("SELECT count(*) FROM book").fetchone()
    assert row is not None
    return int(row[0])


def shown(metric: object, audit: str) -> float:
    value: float = metric.labels(audit)._value.get()  # type: ignore[attr-defined]
    return value


def test_faults_are_shown_and_go_when_they_are_mended(bookshop_url: str) -> None:
    with db.open_pool(bookshop_url) as pool:
        audits = Audits(pool, {"books": count_books})
        with db.begin(pool) as conn:
            conn.execute("INSERT INTO book VALUES ('dune', 5)")
        audits.look()
        assert shown(AUDIT_FAULTS, "books") == 1
        with db.begin(pool) as conn:
            conn.execute("DELETE FROM book")
        audits.look()
        assert shown(AUDIT_FAULTS, "books") == 0


def test_one_that_can_not_look_leaves_its_time_and_the_others_go_on(
    bookshop_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(conn: Connection) -> int:
        raise RuntimeError("the table is locked")

    with db.open_pool(bookshop_url) as pool:
        Audits(pool, {"failing": fail, "books_after": count_books}).look()

    assert shown(AUDIT_TIME, "failing") == 0
    assert shown(AUDIT_TIME, "books_after") > 0
