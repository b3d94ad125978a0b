"""
What the last release stored, brought up to this one by the migrations, is kept and goes on.

`python -m tests.upgrade` made the data, with a live box of that release.
"""

import gzip
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import Connection, sql

from chain_service import ledger_repository
from chain_service.domain.blocks import check_loaded
from exchange_service import recovery
from exchange_service.domain.audit import find_faults
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.journal import GENESIS_HASH
from taonet.kit import db
from taonet.local.stores import OWNERS
from validator_service.payouts.statement_repository import list_problems

RELEASES = sorted((Path(__file__).parent / "releases").glob("*.sql.gz"))
PASSWORD = "upgraded"
KEPT = {
    "chain": ("block", "extrinsic", "event", "account", "neuron"),
    "chain_follower": ("block", "extrinsic", "event", "account", "neuron"),
    "validator_1": ("round", "answer", "standing", "weights", "account", "call", "transfer"),
    "validator_2": ("round", "answer", "standing", "weights"),
    "exchange": ("journal", "account", "trade_order", "trade", "transfer", "balance", "deposit"),
    "bitcoin": ("block", "output"),
}
"""No upgrade may lose a row of these."""


@pytest.fixture(params=RELEASES, ids=[release.name.removesuffix(".sql.gz") for release in RELEASES])
def stored(request: pytest.FixtureRequest, postgres_admin_url: str) -> Iterator[str]:
    """A superuser's URL of a database that holds what a release left."""
    name = f"release_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_admin_url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = urlunsplit(urlsplit(postgres_admin_url)._replace(path=f"/{name}"))
    for owner in OWNERS:
        db.provision(url, owner, PASSWORD)
    with psycopg.connect(url, autocommit=True) as conn:
        for owner in OWNERS:
            conn.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(owner)))
        conn.execute(gzip.decompress(request.param.read_bytes()))
    give_away(url)
    yield url
    with psycopg.connect(postgres_admin_url, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        for owner in OWNERS:
            conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(owner)))


def give_away(url: str) -> None:
    """Make each schema and all in it its role's own, as it is where migrations made it."""
    kinds = {"r": "TABLE", "p": "TABLE", "S": "SEQUENCE", "v": "VIEW", "m": "MATERIALIZED VIEW"}
    with psycopg.connect(url, autocommit=True) as conn:
        for owner in OWNERS:
            role = sql.Identifier(owner)
            conn.execute(sql.SQL("ALTER SCHEMA {} OWNER TO {}").format(role, role))
            rows = conn.execute(
                "SELECT relname, relkind FROM pg_class "
                "WHERE relnamespace = %s::regnamespace AND relkind = ANY(%s) "
                # Sequences of identity columns follow their tables.
                "AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid "
                "AND deptype IN ('i', 'a') AND relkind = 'S')",
                (owner, list(kinds)),
            ).fetchall()
            for name, kind in rows:
                thing = sql.Identifier(owner, name)
                verb = sql.SQL(f"ALTER {kinds[kind]} {{}} OWNER TO {{}}")
                conn.execute(verb.format(thing, role))


def as_role(url: str, owner: str) -> Connection:
    address = urlsplit(url).netloc.rpartition("@")[2]
    netloc = f"{owner}:{PASSWORD}@{address}"
    return psycopg.connect(urlunsplit(urlsplit(url)._replace(netloc=netloc)), autocommit=True)


def count_rows(url: str) -> dict[str, int]:
    with psycopg.connect(url) as conn:
        return {
            f"{owner}.{table}": conn.execute(
                sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(owner, table))
            ).fetchone()[0]  # type: ignore[index]
            for owner, tables in KEPT.items()
            for table in tables
        }


def test_a_release_is_kept_for_this_test() -> None:
    assert RELEASES


def test_what_the_last_release_stored_goes_on(stored: str) -> None:
    before = count_rows(stored)
    assert min(before.values()) > 0, "the release's data should have something of everything"

    for owner, package in OWNERS.items():
        db.migrate(db.provision(stored, owner, PASSWORD), package)

    assert count_rows(stored) == before
    check_chain(stored, "chain")
    check_chain(stored, "chain_follower")
    check_exchange(stored)
    check_gateway(stored)


def check_chain(url: str, owner: str) -> None:
    """Load the state as an author does, and hold it to its head's root."""
    with as_role(url, owner) as conn:
        parameters = ledger_repository.load_genesis(conn)
        assert parameters is not None
        head = ledger_repository.load_header(conn)
        check_loaded(ledger_repository.load_state(conn), head, parameters)


def check_exchange(url: str) -> None:
    """Replay the whole journal, each entry of the older release."""
    with as_role(url, "exchange") as conn, conn.transaction():
        replayed = recovery.replay(conn, recovery.Replayed(Exchange(), 0, GENESIS_HASH))
    assert replayed.sequence > 0
    assert find_faults(replayed.exchange) == []


def check_gateway(url: str) -> None:
    with as_role(url, "validator_1") as conn:
        assert list_problems(conn) == []
