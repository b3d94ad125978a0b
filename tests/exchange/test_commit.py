"""The statement of a commit, as Postgres plans it."""

import itertools
import re

import psycopg

from exchange_service.commit_repository import STATEMENT, settle_session
from exchange_service.settings import ExchangeSettings


def test_a_commit_reads_no_table_from_end_to_end(exchange_settings: ExchangeSettings) -> None:
    """Planned on the first day, when all tables are empty: the plan is kept while they grow."""
    numbers = itertools.count(1)
    statement = re.sub(rb"%s", lambda _: b"$%d" % next(numbers), STATEMENT)
    with psycopg.connect(exchange_settings.database_url, autocommit=True) as conn:
        settle_session(conn)
        rows = conn.execute(b"EXPLAIN (GENERIC_PLAN) " + statement).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert "Index Scan using trade_order_pkey" in plan
    assert "Seq Scan on trade_order" not in plan
