"""Postgres, as it tells of itself to the reader."""

from psycopg import Connection
from psycopg.rows import dict_row

from taonet.kit.exposition import Exposition

GAUGES = {
    "connections": "Open connections.",
    "connections_limit": "How many there may be.",
    "size_bytes": "Size of the database.",
    "oldest_transaction_seconds": "Age of the oldest transaction; an old one keeps dead rows.",
    "waiting_locks": "Locks that somebody waits for.",
    "uptime_seconds": "Since its start.",
}
COUNTERS = {
    "commits_total": "Transactions committed.",
    "rollbacks_total": "Transactions rolled back.",
    "deadlocks_total": "Deadlocks.",
    "block_reads_total": "Blocks read from disk.",
    "block_hits_total": "Blocks found in memory.",
    "temporary_bytes_total": "Written to temporary files, by queries that outgrew their memory.",
}


def show_postgres(conn: Connection, page: Exposition) -> None:
    """Show the database's own counts, and how big each service's schema is."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            """SELECT numbackends AS connections,
                 current_setting('max_connections')::integer AS connections_limit,
                 pg_database_size(datname) AS size_bytes,
                 (SELECT coalesce(max(extract(epoch FROM now() - xact_start)), 0)::float8
                    FROM pg_stat_activity WHERE pid <> pg_backend_pid())
                   AS oldest_transaction_seconds,
                 (SELECT count(*) FROM pg_locks WHERE NOT granted) AS waiting_locks,
                 extract(epoch FROM now() - pg_postmaster_start_time())::float8 AS uptime_seconds,
                 xact_commit AS commits_total, xact_rollback AS rollbacks_total,
                 deadlocks AS deadlocks_total, blks_read AS block_reads_total,
                 blks_hit AS block_hits_total, temp_bytes AS temporary_bytes_total
               FROM pg_stat_database WHERE datname = current_database()"""
        ).fetchone()
    assert row is not None
    for name, meaning in GAUGES.items():
        page.value("gauge", f"taonet_postgres_{name}", meaning, row[name])
    for name, meaning in COUNTERS.items():
        page.value("counter", f"taonet_postgres_{name}", meaning, row[name])
    schemas = conn.execute(
        """SELECT nspname, coalesce(sum(pg_total_relation_size(pg_class.oid)), 0)::bigint
           FROM pg_namespace LEFT JOIN pg_class
             ON relnamespace = pg_namespace.oid AND relkind = 'r'
           WHERE nspname !~ '^(pg_|information_schema|public)' GROUP BY 1 ORDER BY 1"""
    ).fetchall()
    meaning = "Tables and indexes of each service."
    page.series("gauge", "taonet_postgres_schema_bytes", meaning, ("schema",), schemas)
