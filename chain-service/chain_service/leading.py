"""
Who writes a chain's database: an author or a follower, one at a time; all others stand by.

Who leads beats while it works, on a connection of its own: a state that loads for long, a large
block, or a quiet chain that is followed, is no death. A process that is frozen beats no more, nor
does one whose working thread has given no sign of life for PATIENCE_SECONDS.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg import Connection

from chain_service import ledger_repository
from taonet.kit.db import WIRE
from taonet.kit.errors import RemoteRefusal
from taonet.kit.logging import get_logger

STANDBY_SECONDS = 1.0
RETRY_SECONDS_FIRST, RETRY_SECONDS_MAX = 0.2, 5.0
BEAT_SECONDS = 2.0
"""Well below the silence after which another takes over."""
PATIENCE_SECONDS = 120.0
"""More than loading a state or making a block takes; a thread without a sign for longer hangs."""

log = get_logger(__name__)


class Turn:
    """One's time as the one that writes, as the thread that works tells of it."""

    def __init__(self) -> None:
        self.has_written = False
        self.show_life()

    def show_life(self) -> None:
        self._seen = time.monotonic()

    def note_block(self) -> None:
        """Note that a block is written: what comes after is no failure to begin."""
        self.has_written = True
        self.show_life()

    @property
    def is_alive(self) -> bool:
        return time.monotonic() - self._seen < PATIENCE_SECONDS


Work = Callable[[Connection, Turn], None]


def take_turns(
    database_url: str, silence_seconds: float, stop: threading.Event, work: Work
) -> None:
    """
    Work whenever nobody else does, until told to stop; what is away is waited for.

    The wait doubles until a block is written, as each new beginning loads the whole state.
    """
    pause = RETRY_SECONDS_FIRST
    while not stop.is_set():
        turn = Turn()
        try:
            with psycopg.connect(database_url, autocommit=True, **WIRE) as conn:
                if _stand_by(conn, silence_seconds, stop):
                    with _beating(database_url, conn, turn):
                        work(conn, turn)
        except (psycopg.Error, ledger_repository.NotLeading, RemoteRefusal) as error:
            log.warning("the writer begins again", error=str(error).strip())
            if turn.has_written:
                pause = RETRY_SECONDS_FIRST
            stop.wait(pause)
            pause = min(pause * 2, RETRY_SECONDS_MAX)


def _stand_by(conn: Connection, silence_seconds: float, stop: threading.Event) -> bool:
    """Wait until nobody else leads; say whether one may, or was told to stop."""
    while not ledger_repository.try_to_lead(conn, silence_seconds):
        if stop.wait(STANDBY_SECONDS):
            return False
    return True


@contextmanager
def _beating(database_url: str, conn: Connection, turn: Turn) -> Iterator[None]:
    turn.show_life()
    done = threading.Event()
    arguments = (database_url, conn.info.backend_pid, turn, done)
    # Not waited for: on a wire that is cut it may hang for half a minute; it beats for nobody then.
    threading.Thread(target=_beat, args=arguments, name="heart", daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _beat(database_url: str, backend_pid: int, turn: Turn, done: threading.Event) -> None:
    while not done.wait(BEAT_SECONDS):
        with (
            suppress(psycopg.Error),
            psycopg.connect(database_url, autocommit=True, **WIRE) as conn,
        ):
            while not done.wait(BEAT_SECONDS):
                if turn.is_alive:
                    ledger_repository.beat_for(conn, backend_pid)
