"""
How long a scrape takes, and how big it is, with 4096 neurons: `make bench NAME=scrape`.

The tables that a page is read from are filled by Postgres itself; the page is asked for through the
web application that every service starts from. The limit is 50 ms and 2 MB.
"""

import statistics
import time
from collections.abc import Callable

import psycopg
from fastapi.testclient import TestClient
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool
from tests.bench.report import write_report
from tests.bench.stores import make_schema, running_postgres

from chain_service.domain.parameters import choose_parameters
from chain_service.metrics import ChainState
from taonet.kit.db import open_pool
from taonet.kit.web import create_app
from validator_service.metrics import ValidatorState

NEURONS = 4096
RUNS = 25
LIMIT_SECONDS, LIMIT_BYTES = 0.05, 2_000_000
TEMPLATE = f"""\
# Scrapes with {NEURONS} neurons
`make bench NAME=scrape`: the median of {RUNS} scrapes (and the slowest), through the web
application that each service starts from, on one real Postgres. The limit is 50 ms and 2 MB.

| page | median | slowest | size |
| --- | ---: | ---: | ---: |
{{rows}}

The chain reads its neurons again when a block has changed them, beside the scrapes; how long that
takes is the second line.
"""
CHAIN = [
    "INSERT INTO block (height, block_hash, parent_hash, time_ms, extrinsics_root, state_root,"
    " issuance_rao, free_rao, stake_rao, pot_rao, apply_microseconds, author, signature)"
    " SELECT h, 'b' || h, 'b' || h - 1, h, '', '', h, h, 0, 0, 1, '', ''"
    " FROM generate_series(0, 1000) AS h",
    "INSERT INTO neuron (uid, hotkey, coldkey, registered_block, last_update_block, name, ip, port,"
    " stake_rao, active, rank, trust, consensus, incentive, dividends, emission_rao, leaf_hash,"
    " priority) SELECT uid, rpad('5' || uid, 48, 'x'), '', 1, 1, 'server-' || uid, '', 0,"
    " 123456789012345 + uid, true, s, s, s, s, s, 1234567890 + uid, '', 0"
    " FROM generate_series(0, 4095) AS uid,"
    " LATERAL (SELECT 4503599627370496 + uid * 7919::numeric AS s) AS score",
]
VALIDATOR = [
    "INSERT INTO standing (uid, hotkey, loss_total, loss_weight, score_total, score_weight, rounds,"
    " seconds_total, seconds_weight) SELECT uid, 'h', 3.1 + uid / 7.0, 1.3, uid / 3.0, 1.1, 9,"
    " 0.2 + uid / 9e3, 1.7 FROM generate_series(0, 4095) AS uid",
    "INSERT INTO server_round (uid, hotkey, number, worth, synergy)"
    " SELECT uid, 'h', 9, uid / 3.0, uid / 30.0 FROM generate_series(0, 4095) AS uid",
    "INSERT INTO server_tally (uid, code, total) SELECT uid, code, 12345"
    " FROM generate_series(0, 4095) AS uid, unnest('{ok,timeout}'::text[]) AS code",
    "INSERT INTO secret (value) VALUES ('s')",
    'INSERT INTO weights (height, uids, "values", secret_id) SELECT 9, array_agg(uid),'
    " array_agg(uid::bigint * 1000003), 1 FROM generate_series(0, 4095) AS uid",
]


def main() -> None:
    with running_postgres() as admin_url:
        lines = [*measure_chain(admin_url), measure_validator(admin_url)]
    rows = "\n".join(lines)
    text = TEMPLATE.format(rows=rows)
    print(text)
    write_report("scrape", text)


def measure_chain(admin_url: str) -> list[str]:
    url = make_schema(admin_url, "chain_service")
    parameters = choose_parameters("box", {}).as_json()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO genesis (block_hash, parameters) VALUES ('g', %s)", (Jsonb(parameters),)
        )
        for statement in CHAIN:
            conn.execute(statement.encode())
        conn.execute("ANALYZE")

        with open_pool(url, 2) as pool:
            state = ChainState(pool)
            state.note_neurons(conn)
            started = time.perf_counter()
            for _ in range(RUNS):
                state.note_neurons(conn)
            again = (time.perf_counter() - started) / RUNS * 1000
            line = f"| reading the chain's neurons again | {again:.1f} ms (mean) | | |"
            return [measure("chain", state.read), line]


def measure_validator(admin_url: str) -> str:
    url = make_schema(admin_url, "validator_service")
    with psycopg.connect(url, autocommit=True) as conn:
        for statement in VALIDATOR:
            conn.execute(statement.encode())
        conn.execute("ANALYZE")
    pool: ConnectionPool
    with open_pool(url, 2) as pool:
        return measure("a Validator's gateway", ValidatorState(pool).read)


def measure(name: str, read: Callable[[], str]) -> str:
    """Return the page's line of the table."""
    app = create_app("bench", title="Bench", log_level="error")
    app.state.read_state = read
    seconds = []
    with TestClient(app) as client:
        for _ in range(RUNS):
            started = time.perf_counter()
            size = len(client.get("/metrics").content)
            seconds.append(time.perf_counter() - started)
    median, slowest = statistics.median(seconds), max(seconds)
    misses = "" if median < LIMIT_SECONDS and size < LIMIT_BYTES else " (missed)"
    told = f"{median * 1000:.1f} ms{misses} | {slowest * 1000:.1f} ms | {size / 1e6:.2f} MB"
    return f"| {name} | {told} |"


if __name__ == "__main__":
    main()
