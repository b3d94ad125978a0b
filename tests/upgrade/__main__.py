"""
Keep a release's data for the tests of all later ones: `python -m tests.upgrade`.

Starts a box of its own, has it mine, judge, answer and trade for a moment, and writes what its
Postgres holds into `tests/upgrade/releases/`, as SQL. Done once, when a release is made.
"""

import gzip
import re
import time
from importlib.metadata import version
from pathlib import Path

import psycopg
from psycopg import sql
from tests.e2e.conftest import Box, new_box

from exchange_service.client import ExchangeClient
from taonet.local.backup import run_program
from taonet.local.settings import LocalSettings
from taonet.local.stores import OWNERS, prepare_stores

FOLDER = Path(__file__).parent / "releases"
PORT_BASE = 28_000
LIVE_SECONDS = 15.0
META_COMMAND = re.compile(r"^\\.*\n", re.MULTILINE)
"""What only psql understands."""


def main() -> None:
    with new_box(PORT_BASE) as box:
        box.up()
        use(box)
        settings = LocalSettings(home=str(box.home), port_base=PORT_BASE)
        stores = prepare_stores(settings, settings.data_directory())
        keep_few_answers(stores.database_url)
        schemas = [f"--schema={owner}" for owner in OWNERS]
        as_sql = ("--no-owner", "--no-privileges", "--rows-per-insert=100")
        text = run_program(stores.database_url, "pg_dump", *as_sql, *schemas)
    release = FOLDER / f"{version('taonet')}.sql.gz"
    release.write_bytes(gzip.compress(META_COMMAND.sub("", text).encode(), mtime=0))
    print(f"{release}: {release.stat().st_size:,} bytes")


def keep_few_answers(database_url: str) -> None:
    """Answers with their tensors are most of all bytes; those of one round tell as much."""
    with psycopg.connect(database_url) as conn:
        for validator in ("validator_1", "validator_2"):
            table = sql.Identifier(validator, "answer")
            conn.execute(
                sql.SQL("DELETE FROM {} WHERE round_id <> (SELECT min(round_id) FROM {})").format(
                    table, table
                )
            )


def use(box: Box) -> None:
    """Leave something in every book: a paid answer, an order that traded, one that rests."""
    with box.gateway() as consumer:
        # The first Servers have only just learnt who a Validator is.
        consumer.with_options(max_retries=20).chat.completions.create(
            model="network/best", max_tokens=4, messages=[{"role": "user", "content": "Once"}]
        )
    key = box.read("exchange", "key", "new", "--name", "trader", "--funded")
    with ExchangeClient(box.address("exchange"), key["api_key"], key["secret"]) as trader:
        while not trader.depth(limit=5)["asks"]:
            time.sleep(0.5)
        trader.market_order("BUY", "0.10")
        trader.limit_order("BUY", "0.00100000", "0.1")
    time.sleep(LIVE_SECONDS)


if __name__ == "__main__":
    main()
