"""Who may write: the lock, the heartbeat, and, should both be passed by, the height itself."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from tests.chain_service.conftest import key

from chain_service import ledger_repository
from chain_service.author import Author, OtherChain, ensure_genesis
from chain_service.domain.parameters import choose_parameters
from chain_service.ledger_repository import NotLeading, try_to_lead

KEY = key("author")
PARAMETERS = choose_parameters("box", {"author": KEY.ss58_address})
SILENCE_SECONDS = 60.0


@pytest.fixture
def connections(database: Callable[[str], str]) -> Iterator[tuple[Connection, Connection]]:
    url = database("chain_service")
    first, second = (psycopg.connect(url, autocommit=True) for _ in range(2))
    yield first, second
    first.close()
    second.close()


def fall_silent(conn: Connection) -> None:
    conn.execute("UPDATE author SET beat_at = now() - interval '61 seconds'")


def test_a_silent_author_is_replaced_and_can_write_no_more(
    connections: tuple[Connection, Connection],
) -> None:
    frozen, other = connections
    assert try_to_lead(frozen, SILENCE_SECONDS)
    author = Author(frozen, PARAMETERS, KEY)
    author.seal_block()
    assert not try_to_lead(other, SILENCE_SECONDS)
    fall_silent(other)
    assert try_to_lead(other, SILENCE_SECONDS)
    Author(other, PARAMETERS, KEY).seal_block()
    with pytest.raises(psycopg.OperationalError):
        author.seal_block()
    assert ledger_repository.load_header(other).height == 2


def test_an_author_that_kept_its_connection_is_refused_by_the_heartbeat(
    connections: tuple[Connection, Connection],
) -> None:
    first, other = connections
    assert try_to_lead(other, SILENCE_SECONDS)
    second = Author(other, PARAMETERS, KEY)
    without_the_lock = Author(first, PARAMETERS, KEY)
    with pytest.raises(NotLeading):
        without_the_lock.seal_block()
    second.seal_block()
    assert ledger_repository.load_header(other).height == 1


def test_two_authors_that_both_believe_to_lead_can_not_write_one_height(
    connections: tuple[Connection, Connection],
) -> None:
    first, other = connections
    assert try_to_lead(other, SILENCE_SECONDS)
    second = Author(other, PARAMETERS, KEY)
    impostor = Author(first, PARAMETERS, KEY)
    second.seal_block()
    first.execute("UPDATE author SET backend_pid = pg_backend_pid()")
    with pytest.raises(psycopg.errors.UniqueViolation):
        impostor.seal_block()


@pytest.mark.parametrize(
    ("stored", "wanted", "told"),
    [
        ({}, {"price_rule": "half-life"}, "price_rule = 'doubling', the settings ask for 'half-"),
        ({"price_rule": "half-life"}, {}, "price_rule = 'half-life', the settings ask for 'doub"),
        ({"burn_half_life_blocks": 7}, {}, "burn_half_life_blocks = 7, the settings ask for 360"),
        ({"rho": 9}, {"rho": 8}, "rho = 9, the settings ask for 8"),
    ],
)
def test_a_chain_of_other_rules_is_refused_by_the_first_that_differs(
    connections: tuple[Connection, Connection],
    stored: dict[str, Any],
    wanted: dict[str, Any],
    told: str,
) -> None:
    conn, _ = connections
    assert try_to_lead(conn, SILENCE_SECONDS)
    author = {"author": KEY.ss58_address}
    started = choose_parameters("box", stored | author)
    ensure_genesis(conn, started, KEY)
    assert ensure_genesis(conn, started, KEY) == started
    with pytest.raises(OtherChain, match=told):
        ensure_genesis(conn, choose_parameters("box", wanted | author), KEY)
