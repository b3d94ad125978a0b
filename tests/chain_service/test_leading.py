"""Who leads keeps the lead while it works, and one that fails comes back ever later."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from tests.bench.sync_chain import SealedChain
from tests.chain_service.conftest import key
from tests.conftest import free_port, wait_until

from chain_service import leading, ledger_repository
from chain_service.author import write_blocks
from chain_service.domain.parameters import choose_parameters
from chain_service.doorbell import Doorbell
from chain_service.follower import Follower, follow_chain
from chain_service.leading import Turn, take_turns
from chain_service.ledger_repository import try_to_lead
from chain_service.sealed import check_chunks

KEY = key("author")
PARAMETERS = choose_parameters("box", {"author": KEY.ss58_address})
SILENCE_SECONDS = 0.8


class Pauses(threading.Event):
    """Told to wait, it only notes for how long; after so often it says stop."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._count = count

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0)
        if len(self.seconds) == self._count:
            self.set()
        return self.is_set()


class Silent(Doorbell):
    """Nobody rings."""

    def __init__(self) -> None:
        pass

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        return stop.wait(seconds)


def fail(conn: Connection, *_: object) -> Any:
    raise psycopg.OperationalError("Postgres went away")


def test_a_follower_whose_leader_is_away_loads_its_state_ever_later(
    database: Callable[[str], str],
) -> None:
    pauses = Pauses(6)
    follow_chain(database("chain_service"), f"http://127.0.0.1:{free_port()}", "", pauses)
    assert pauses.seconds == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0]


def test_an_author_that_can_not_begin_tries_ever_later(
    database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_repository, "load_state", fail)
    pauses = Pauses(6)
    write_blocks(database("chain_service"), Silent(), PARAMETERS, KEY, pauses)
    assert pauses.seconds == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0]


def test_after_a_block_the_first_pause_is_short_again(database: Callable[[str], str]) -> None:
    pauses = Pauses(5)
    chain = SealedChain()

    def write_once(conn: Connection, turn: Turn) -> None:
        if len(pauses.seconds) == 3:
            blocks = check_chunks([b"".join(chain.lines)], 0)
            Follower(conn, turn=turn).take(blocks, threading.Event())
        fail(conn)

    take_turns(database("chain_service"), SILENCE_SECONDS, pauses, write_once)
    assert pauses.seconds == [0.2, 0.4, 0.8, 0.2, 0.4]


@contextmanager
def running(work: Callable[[threading.Event], None]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def takes_over(url: str, within_seconds: float) -> bool:
    """Say whether a standby gets the lead, as it tries again and again."""
    ended = threading.Event()
    threading.Timer(within_seconds, ended.set).start()
    with psycopg.connect(url, autocommit=True) as conn:
        while not ended.wait(0.1):
            if try_to_lead(conn, SILENCE_SECONDS):
                return True
    return False


def leads(url: str) -> bool:
    with psycopg.connect(url) as conn:
        return conn.execute("SELECT FROM author").fetchone() is not None


def test_an_author_that_loads_for_longer_than_the_silence_keeps_the_lead(
    database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leading, "BEAT_SECONDS", 0.1)
    loading, loaded = threading.Event(), threading.Event()
    load = ledger_repository.load_state

    def load_slowly(conn: Connection) -> Any:
        loading.set()
        loaded.wait(20)
        return load(conn)

    monkeypatch.setattr(ledger_repository, "load_state", load_slowly)
    url = database("chain_service")
    with running(lambda stop: write_blocks(url, Silent(), PARAMETERS, KEY, stop)):
        assert loading.wait(20)
        kept = not takes_over(url, 3 * SILENCE_SECONDS)
        loaded.set()
    assert kept


def test_a_working_thread_that_hangs_is_replaced(
    database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leading, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(leading, "PATIENCE_SECONDS", 1.5)
    url = database("chain_service")

    def hang(conn: Connection, turn: Turn) -> None:
        released.wait(20)

    released = threading.Event()
    with running(lambda stop: take_turns(url, SILENCE_SECONDS, stop, hang)):
        wait_until(lambda: leads(url))
        kept = not takes_over(url, 1)
        replaced = takes_over(url, 10)
        released.set()
    assert kept
    assert replaced
