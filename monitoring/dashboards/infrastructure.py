"""Infrastructure: processes, Postgres, Redis, and what Prometheus itself sees."""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from monitoring.dashboards.panels import Panel, board, figure, graph, rows_of
from monitoring.dashboards.queries import CHOSEN, now, quantile, rate

REQUESTS, AUDITED = "taonet_http_request_seconds", "taonet_audit_timestamp_seconds"
TAKEN = "taonet_postgres_connections"
HITS, READS = "taonet_postgres_block_hits_total", "taonet_postgres_block_reads_total"


def build() -> Dashboard:
    return board(
        "infrastructure",
        "Infrastructure",
        "Every process, both stores, and how long it takes to watch them.",
        [
            ("Processes", _processes()),
            ("Requests", _requests()),
            ("Postgres", _postgres()),
            ("Redis", _redis()),
        ],
    )


def _processes() -> list[Panel]:
    return [
        graph(
            "Processor",
            "process_cpu_seconds_total: cores in use.",
            "short",
            {"{{process}}": f"sum by (process) ({rate('process_cpu_seconds_total')})"},
        ),
        graph(
            "Memory",
            "process_resident_memory_bytes.",
            "bytes",
            {"{{process}}": f"max by (process) ({now('process_resident_memory_bytes')})"},
        ),
        graph(
            "Open files",
            "process_open_fds.",
            "short",
            {"{{process}}": f"max by (process) ({now('process_open_fds')})"},
        ),
        graph(
            "Time of a scrape",
            "scrape_duration_seconds: as Prometheus measures it.",
            "s",
            {"{{process}}": f'max by (process) (scrape_duration_seconds{{job="taonet",{CHOSEN}}})'},
        ),
    ]


def _requests() -> list[Panel]:
    return [
        graph(
            "Refusals",
            "taonet_http_refusals_total: each second, by code.",
            "reqps",
            {"{{code}}": f"sum by (code) ({rate('taonet_http_refusals_total')}) or vector(0)"},
        ),
        graph(
            "95 of 100 answered within",
            f"{REQUESTS}: by process.",
            "s",
            {"{{process}}": quantile(0.95, REQUESTS, by="process")},
        ),
        graph(
            "Streams",
            "taonet_stream_entries, taonet_stream_lag_entries: kept, and behind.",
            "short",
            {"{{stream}}": f"max by (stream) ({now('taonet_stream_entries')})"},
        ),
        graph(
            "Audits' age",
            "taonet_audit_timestamp_seconds: since each last looked.",
            "s",
            {"{{process}} {{audit}}": f"time() - max by (process, audit) ({now(AUDITED)})"},
        ),
    ]


def _postgres() -> list[Panel]:
    hits, reads = f"sum({rate(HITS)})", f"sum({rate(READS)})"
    return [
        figure(
            "Connections",
            "taonet_postgres_connections, of taonet_postgres_connections_limit.",
            "percentunit",
            f"max({now(TAKEN)} / {now(f'{TAKEN}_limit')})",
        ),
        figure(
            "Size",
            "taonet_postgres_size_bytes.",
            "bytes",
            f"max({now('taonet_postgres_size_bytes')})",
        ),
        figure(
            "Found in memory",
            f"{HITS}, {READS}: share of blocks.",
            "percentunit",
            f"{hits} / ({hits} + {reads})",
        ),
        figure(
            "Oldest transaction",
            "taonet_postgres_oldest_transaction_seconds.",
            "s",
            f"max({now('taonet_postgres_oldest_transaction_seconds')})",
        ),
        graph(
            "Transactions",
            "taonet_postgres_commits_total, taonet_postgres_rollbacks_total: each second.",
            "cps",
            {
                "commits": f"sum({rate('taonet_postgres_commits_total')})",
                "rollbacks": f"sum({rate('taonet_postgres_rollbacks_total')})",
            },
        ),
        graph(
            "Size by service",
            "taonet_postgres_schema_bytes: tables and indexes.",
            "bytes",
            {"{{schema}}": f"max by (schema) ({now('taonet_postgres_schema_bytes')})"},
        ),
        rows_of(
            "Largest tables",
            "pg_stat_user_tables: rows, and rows that are dead.",
            "SELECT schemaname AS schema, relname AS table, n_live_tup AS rows, "
            "n_dead_tup AS dead, pg_total_relation_size(relid) AS bytes "
            "FROM pg_stat_user_tables ORDER BY bytes DESC LIMIT 30",
            unit="locale",
            span=1,
        ),
    ]


def _redis() -> list[Panel]:
    return [
        figure(
            "Redis' memory",
            "taonet_redis_memory_bytes.",
            "bytes",
            f"max({now('taonet_redis_memory_bytes')})",
        ),
        figure("Clients", "taonet_redis_clients.", "short", f"max({now('taonet_redis_clients')})"),
        figure(
            "Commands",
            "taonet_redis_commands_total: each second.",
            "cps",
            f"sum({rate('taonet_redis_commands_total')})",
        ),
        figure(
            "Keys thrown out",
            "taonet_redis_evicted_keys_total: must stay 0.",
            "short",
            f"max({now('taonet_redis_evicted_keys_total')})",
        ),
    ]
