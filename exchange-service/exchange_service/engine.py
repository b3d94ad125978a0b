"""The engine: one thread that owns books and balances, and answers only what is durable.

It takes all waiting commands, applies them, writes journal and tables in one transaction, and only
then lets the callers know. Alone, a command waits for no other; under load the batches grow by
themselves. When a commit fails, or the books do not add up before it, memory is ahead of the
record: the engine stops for good, and the next one starts from snapshot and journal. So it does
when a commit hangs: whoever waits is told in time that nobody knows.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, Final, NamedTuple

from psycopg import Connection

from exchange_service import repository
from exchange_service.answers import Answer, Outcome, Reply, Unanswered, deliver, is_wanted
from exchange_service.batch import ALWAYS_MS, Batch, Waiting
from exchange_service.commit_repository import Committer, settle_session
from exchange_service.domain.commands import Command, PassDeadlines
from exchange_service.domain.countercheck import Countercheck
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import Fact, Rejected, Traded
from exchange_service.domain.ledger import seal_lines, write_lines
from exchange_service.domain.snapshot import hash_snapshot, write_snapshot
from exchange_service.domain.symbol import RAO_PER_TAO, SAT_PER_BTC
from exchange_service.errors import BinanceRefusal, Overloaded, StatusUnknown
from exchange_service.feed import Commit, Listener
from exchange_service.metrics import (
    BATCH,
    BEST_ASK_BTC,
    BEST_BID_BTC,
    COMMANDS,
    COMMIT_SECONDS,
    LAST_PRICE_BTC,
    OPEN_ORDERS,
    QUEUE,
    SNAPSHOT_SECONDS,
    TRADES,
    VOLUME_TAO,
)
from exchange_service.recovery import Recovered, balance_of
from exchange_service.repository import Balance, Snapshot
from exchange_service.watchdog import Watchdog
from taonet.kit.logging import get_logger

BATCH_MAX: Final = 256
QUEUE_MAX: Final = 10_000
STOP_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 60.0
BEAT_SECONDS: Final = 1.0
"""How often an engine without work says that it lives, and looks at the deadlines."""
COMMIT_SECONDS_MAX: Final = 8.0
"""How long Postgres may take to commit: clients wait ten seconds for an answer."""
SNAPSHOT_SECONDS_MAX: Final = 120.0
SNAPSHOT_ENTRIES: Final = 20_000
"""Journal entries between two snapshots, at least, and twice as many as the state holds things:
to write a thing down takes about a fiftieth of what it takes to commit an entry."""
SNAPSHOT_ENTRIES_AT_STOP: Final = 1_000

log = get_logger(__name__)


class Fenced(RuntimeError):
    """A later engine has taken over: this one may not write."""


class _Question(NamedTuple):
    """Something to ask the whole state between two batches, such as an audit."""

    ask: Callable[[Exchange], Any]
    answer: Answer


class Engine:
    """The single writer: `start` it, `submit` commands, `stop` it."""

    def __init__(
        self,
        conn: Connection,
        recovered: Recovered,
        on_failure: Callable[[], None],
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        listeners: Iterable[Listener] = (),
    ) -> None:
        self.market = recovered.market
        self.failure: str | None = None
        """Why the engine stopped; None while it is well."""
        self.sequence = recovered.sequence
        """The journal's last durable entry."""
        self._conn = conn
        self._exchange = recovered.exchange
        self._epoch = recovered.epoch
        self._committer = Committer(conn, recovered.epoch)
        self._hash = recovered.hash
        self._ledger_hash = recovered.ledger_hash
        self._snapshot_sequence = recovered.snapshot_sequence
        self._countercheck = Countercheck(recovered.exchange)
        self._on_failure = on_failure
        self._listeners = [self.market.publish, *listeners]
        self._clock_ms = clock_ms
        self._queue: queue.SimpleQueue[Waiting | _Question | None] = queue.SimpleQueue()
        self._batch: list[Waiting | _Question] = []
        """What has been taken from the queue and is not answered yet."""
        self._watchdog = Watchdog(self._give_up)
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        QUEUE.set_function(self._queue.qsize)

    def start(self) -> None:
        settle_session(self._conn)
        self._watchdog.start()
        self._thread.start()

    def stop(self) -> None:
        """Finish what is waiting, then end."""
        self._queue.put(None)
        self._thread.join(STOP_SECONDS)
        self._watchdog.stop()
        self.failure = self.failure or "the engine was stopped"
        self._drain()

    def submit(self, command: Command, valid_until_ms: int = ALWAYS_MS) -> "Future[list[Fact]]":
        """Hand over a command from a thread; time and ids are the engine's to fill in.

        The future holds the facts once they are durable, or raises StatusUnknown. What the engine
        comes to only after `valid_until_ms` is rejected.
        """
        answer: Future[list[Fact]] = Future()
        self._enqueue(Waiting(command, answer, valid_until_ms))
        return answer

    def submit_from_loop(
        self, command: Command, valid_until_ms: int = ALWAYS_MS
    ) -> "asyncio.Future[list[Fact]]":
        """Hand over a command from an event loop: the same, for those who await."""
        answer: asyncio.Future[list[Fact]] = asyncio.get_running_loop().create_future()
        self._enqueue(Waiting(command, answer, valid_until_ms))
        return answer

    def submit_with(
        self, command: Command, take: Callable[[Outcome], None], valid_until_ms: int = ALWAYS_MS
    ) -> None:
        """Hand over a command from an event loop, which calls `take` with what became of it.

        That is the durable facts, or an exception: `read_outcome` tells them apart.
        """
        answer = Reply(asyncio.get_running_loop(), take)
        self._enqueue(Waiting(command, answer, valid_until_ms))

    def ask(self, question: Callable[[Exchange], Any]) -> "Future[Any]":
        """Have a question answered by the whole state, between two batches."""
        answer: Future[Any] = Future()
        self._enqueue(_Question(question, answer))
        return answer

    def fail(self, reason: str) -> None:
        """Stop the engine for a fault that somebody else has found, however much waits."""
        self._put(_Question(lambda _: _raise(RuntimeError(reason)), Unanswered()))

    def _enqueue(self, item: Waiting | _Question) -> None:
        if self.failure is not None:
            raise StatusUnknown
        if self._queue.qsize() >= QUEUE_MAX:
            raise Overloaded
        self._put(item)

    def _put(self, item: Waiting | _Question) -> None:
        self._queue.put(item)
        if self.failure is not None:  # It failed between the question and the put.
            self._drain()

    def _run(self) -> None:
        try:
            while True:
                batch, last = self._take_batch()
                self._batch = batch
                self._process([item for item in batch if isinstance(item, Waiting)])
                self._answer_questions([item for item in batch if isinstance(item, _Question)])
                self._batch = []
                self._snapshot_if_due(SNAPSHOT_ENTRIES_AT_STOP if last else SNAPSHOT_ENTRIES)
                if last:
                    return
        except Exception as error:
            if self._watchdog.release():
                self._halt(error)

    def _give_up(self) -> None:
        """The engine's own thread waits for Postgres, and nobody knows for how long."""
        self._halt(TimeoutError("Postgres does not answer"))

    def _take_batch(self) -> tuple[list[Waiting | _Question], bool]:
        """Wait for one item, then take all that are there; True with the last batch."""
        batch: list[Waiting | _Question] = self._list_due()
        try:
            item = self._queue.get(block=not batch, timeout=BEAT_SECONDS)
        except queue.Empty:
            with self._watchdog.watch(COMMIT_SECONDS_MAX):
                alive = repository.beat(self._conn, self._epoch)
            if not alive:
                raise Fenced("a later engine writes to this database now") from None
            return batch, False
        while item is not None:
            # A caller that has gone away takes its command along; from here on, it cannot.
            if is_wanted(item.answer):
                batch.append(item)
            if len(batch) >= BATCH_MAX:
                return batch, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _list_due(self) -> list[Waiting | _Question]:
        """Return a command for the deadlines that have passed, if there are such."""
        deadlines = self._exchange.deadlines
        if deadlines and min(deadlines.values()) <= self._clock_ms():
            return [Waiting(PassDeadlines(0), Unanswered())]
        return []

    def _process(self, waiting: list[Waiting]) -> None:
        if not waiting:
            return
        batch = Batch(self._exchange, self._clock_ms(), self.sequence, self._hash)
        for item in waiting:
            batch.carry_out(item)
        if batch.entries:
            self._publish(batch, self._commit(batch))
        for (name, rejected), count in batch.counts.items():
            COMMANDS.labels(name, "rejected" if rejected else "accepted").inc(count)
        deliver(batch.outcomes)

    def _commit(self, batch: Batch) -> list[Balance]:
        projection = batch.projection
        touched = sorted(projection.touched_accounts())
        self._countercheck.check(batch.facts, projection.transfers, touched)
        balances = [balance_of(self._exchange, number) for number in touched]
        lines = write_lines(projection.transfers)
        self._ledger_hash = seal_lines(self._ledger_hash, lines)
        with COMMIT_SECONDS.time(), self._watchdog.watch(COMMIT_SECONDS_MAX):
            if not self._committer.save(batch.entries, projection, balances, self._ledger_hash):
                raise Fenced("a later engine writes to this database now")
        self.sequence, self._hash = batch.sequence, batch.hash
        BATCH.observe(len(batch.entries))
        return balances

    def _publish(self, batch: Batch, balances: list[Balance]) -> None:
        book, trades = self._exchange.book, batch.projection.trades
        levels = book.take_changes()
        commit = Commit(
            batch.now_ms, self.sequence, batch.facts, trades, book.update_id, levels, balances
        )
        for listener in self._listeners:
            listener(commit)
        self._measure(trades)

    def _measure(self, trades: list[Traded]) -> None:
        TRADES.inc(len(trades))
        VOLUME_TAO.inc(sum(trade.quantity_rao for trade in trades) / RAO_PER_TAO)
        OPEN_ORDERS.set(len(self._exchange.orders))
        BEST_BID_BTC.set((self._exchange.book.bids.best_price() or 0) / SAT_PER_BTC)
        BEST_ASK_BTC.set((self._exchange.book.asks.best_price() or 0) / SAT_PER_BTC)
        LAST_PRICE_BTC.set(self._exchange.last_price_sat / SAT_PER_BTC)

    def _snapshot_if_due(self, entries_min: int) -> None:
        things = len(self._exchange.orders) + len(self._exchange.accounts)
        if self.sequence - self._snapshot_sequence < max(entries_min, 2 * things):
            return
        with SNAPSHOT_SECONDS.time(), self._watchdog.watch(SNAPSHOT_SECONDS_MAX):
            state = write_snapshot(self._exchange)
            snapshot = Snapshot(self.sequence, self._hash, hash_snapshot(state), state)
            if not repository.save_snapshot(self._conn, self._epoch, snapshot):
                raise Fenced("a later engine writes to this database now")
        self._snapshot_sequence = self.sequence

    def _answer_questions(self, questions: list[_Question]) -> None:
        deliver([(question.answer, question.ask(self._exchange)) for question in questions])

    def _halt(self, error: Exception) -> None:
        """Stop for good: nobody may build on a state that the record does not hold."""
        self.failure = f"{type(error).__name__}: {error}"
        log.error("engine stopped", error=self.failure, exc_info=error)
        deliver([(item.answer, StatusUnknown()) for item in self._batch])
        self._drain()
        self._on_failure()

    def _drain(self) -> None:
        """Answer whatever still waits: its fate is unknown to the one who asked."""
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            if item is not None and is_wanted(item.answer):
                deliver([(item.answer, StatusUnknown())])


async def execute(engine: Engine, command: Command, valid_until_ms: int = ALWAYS_MS) -> list[Fact]:
    """Return the durable facts of a command, or raise its refusal; for asynchronous callers."""
    return read_outcome(await engine.submit_from_loop(command, valid_until_ms))


def execute_and_wait(
    engine: Engine, command: Command, valid_until_ms: int = ALWAYS_MS
) -> list[Fact]:
    """Return the durable facts of a command, or raise its refusal; for threads."""
    return read_outcome(engine.submit(command, valid_until_ms).result(ANSWER_SECONDS))


def read_outcome(outcome: Outcome) -> list[Fact]:
    """Return the facts of a command, or raise why there are none."""
    if isinstance(outcome, Exception):
        raise outcome
    facts: list[Fact] = outcome
    if isinstance(facts[0], Rejected):
        raise BinanceRefusal(facts[0].reason)
    return facts


def _raise(error: Exception) -> None:
    raise error
