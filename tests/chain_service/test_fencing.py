"""Who may write: the lock, the heartbeat, and, should both be passed by, the height itself."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import Connection
from tests.chain_service.conftest import key

from chain_service import ledger_repository
from chain_service.author import Author
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
