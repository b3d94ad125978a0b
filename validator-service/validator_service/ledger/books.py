"""
Group commit: reservations and settlements of many calls, written together by one thread.

What arrives while one batch is being written makes the next; so the disk is waited for once a
batch, and the event loop never.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import psycopg
from psycopg import Connection, Cursor
from psycopg_pool import ConnectionPool

from taonet.kit.db import begin_together
from taonet.kit.logging import get_logger

BATCH_MAX = 128
"""Movements of one transaction."""

Movement = Callable[[Connection], Cursor[Any]]
"""Runs one statement that is a whole movement; the row that it gives says that it happened."""

Entry = tuple[Movement, "Future[bool]"]

log = get_logger(__name__)


class Books:
    """Writes movements in the order they come; each has its own outcome."""

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool
        self._waiting: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._conn: Connection | None = None
        """Kept from batch to batch: to check one before each use would double the wait."""
        self._thread = threading.Thread(target=self._run, name="books", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what is waiting, and end."""
        self._waiting.put(None)
        self._thread.join()
        self._give_back()

    def write(self, movement: Movement) -> "Future[bool]":
        """Return at once; the future tells, after the commit, whether the movement happened."""
        future: Future[bool] = Future()
        self._waiting.put((movement, future))
        return future

    def _run(self) -> None:
        while (entry := self._waiting.get()) is not None:
            batch = [entry]
            while len(batch) < BATCH_MAX and not self._waiting.empty():
                if (entry := self._waiting.get()) is None:
                    self._waiting.put(None)
                    break
                batch.append(entry)
            # Whoever was cancelled before his turn is left out; from here on nobody can be.
            self._write([each for each in batch if each[1].set_running_or_notify_cancel()])

    def _write(self, batch: list[Entry]) -> None:
        if not batch:
            return
        try:
            happened = self._commit([movement for movement, _ in batch])
        except Exception as error:
            self._write_alone(batch, error)
            return
        for (_, future), outcome in zip(batch, happened, strict=True):
            future.set_result(outcome)

    def _write_alone(self, batch: list[Entry], error: Exception) -> None:
        """One bad movement must not take its neighbours along."""
        if len(batch) == 1:
            batch[0][1].set_exception(error)
            return
        log.warning("a batch is written one by one", movements=len(batch), reason=str(error))
        for entry in batch:
            self._write([entry])

    def _commit(self, movements: list[Movement]) -> list[bool]:
        """Write all in one transaction, whose statements do not wait for each other's answers."""
        if self._conn is None:
            self._conn = self.pool.getconn()
        try:
            with begin_together(self._conn) as conn:
                cursors = [movement(conn) for movement in movements]
                return [cursor.fetchone() is not None for cursor in cursors]
        except psycopg.OperationalError:
            # The database was away: the pool throws the connection away, and makes another.
            self._give_back()
            raise

    def _give_back(self) -> None:
        if self._conn is not None:
            self.pool.putconn(self._conn)
            self._conn = None
