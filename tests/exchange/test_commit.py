"""The statement of a commit, as Postgres plans it."""

import psycopg

from exchange_service.commit_repository import PARTS, settle_session, write_statement
from exchange_service.settings import ExchangeSettings


def test_a_commit_reads_no_table_from_end_to_end(exchange_settings: ExchangeSettings) -> None:
    """Planned on the first day, when all tables are empty: the plan is kept while they grow."""
    with psycopg.connect(exchange_settings.database_url, autocommit=True) as conn:
        settle_session(conn)
        rows = conn.execute(
            ("EXPLAIN (GENERIC_PLAN) " + write_statement(PARTS)).encode()
        ).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert "Index Scan using trade_order_pkey" in plan
    assert "Seq Scan on trade_order" not in plan
