"""The engine: one thread that owns books and balances, and answers only what is durable.

It takes all waiting commands, applies them, writes journal and tables in one transaction, and only
then lets the callers know. Alone, a command waits for no other; under load the batches grow by
themselves. When a commit fails, memory is ahead of the record: the engine stops for good, and the
next one starts from the journal.
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
from exchange_service.domain.commands import Command, OpenAccount, PlaceOrder, RequestWithdrawal
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import Fact, Rejected, Traded
from exchange_service.domain.journal import encode_command, seal
from exchange_service.domain.projection import Projection
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
    TRADES,
    VOLUME_TAO,
)
from exchange_service.recovery import Recovered, balance_of
from exchange_service.repository import Balance, Entry
from taonet.kit.logging import get_logger

BATCH_MAX: Final = 256
QUEUE_MAX: Final = 10_000
STOP_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 60.0

log = get_logger(__name__)


class Fenced(RuntimeError):
    """A later engine has taken over: this one may not write."""


class _Waiting(NamedTuple):
    """A command and where its answer goes."""

    command: Command
    answer: "Future[list[Fact]]"


class _Question(NamedTuple):
    """Something to ask the whole state between two batches, such as an audit."""

    ask: Callable[[Exchange], Any]
    answer: "Future[Any]"


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
        self._conn = conn
        self._exchange = recovered.exchange
        self._epoch = recovered.epoch
        self._sequence = recovered.sequence
        self._hash = recovered.hash
        self._on_failure = on_failure
        self._listeners = [self.market.publish, *listeners]
        self._clock_ms = clock_ms
        self._queue: queue.SimpleQueue[_Waiting | _Question | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        QUEUE.set_function(self._queue.qsize)

    @property
    def sequence(self) -> int:
        """The journal's last entry; certain only inside a question to `ask`."""
        return self._sequence

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish what is waiting, then end."""
        self._queue.put(None)
        self._thread.join(STOP_SECONDS)
        self.failure = self.failure or "the engine was stopped"
        self._drain()

    def submit(self, command: Command) -> "Future[list[Fact]]":
        """Hand over a command; time and ids are the engine's to fill in.

        The future holds the facts once they are durable, or raises StatusUnknown.
        """
        answer: Future[list[Fact]] = Future()
        self._enqueue(_Waiting(command, answer))
        return answer

    def ask(self, question: Callable[[Exchange], Any]) -> "Future[Any]":
        """Have a question answered by the whole state, between two batches."""
        answer: Future[Any] = Future()
        self._enqueue(_Question(question, answer))
        return answer

    def _enqueue(self, item: _Waiting | _Question) -> None:
        if self.failure is not None:
            raise StatusUnknown
        if self._queue.qsize() >= QUEUE_MAX:
            raise Overloaded
        self._queue.put(item)
        if self.failure is not None:  # It failed between the question and the put.
            self._drain()

    def _run(self) -> None:
        batch: list[_Waiting | _Question] = []
        try:
            while True:
                batch, last = self._take_batch()
                self._process([item for item in batch if isinstance(item, _Waiting)])
                self._answer_questions([item for item in batch if isinstance(item, _Question)])
                if last:
                    return
        except Exception as error:
            self._halt(error, batch)

    def _take_batch(self) -> tuple[list[_Waiting | _Question], bool]:
        """Wait for one item, then take all that are there; True with the last batch."""
        batch: list[_Waiting | _Question] = []
        item = self._queue.get()
        while item is not None:
            # A caller that has gone away takes its command along; from here on, it cannot.
            if item.answer.set_running_or_notify_cancel():
                batch.append(item)
            if len(batch) >= BATCH_MAX:
                return batch, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _process(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        now_ms = self._clock_ms()
        entries: list[Entry] = []
        projection = Projection()
        results: list[list[Fact]] = []
        happened: list[Fact] = []
        for waiting in batch:
            command = self._stamp(waiting.command, now_ms)
            facts = self._exchange.apply(command)
            results.append(facts)
            # A rejection changes nothing, so there is nothing to remember of it.
            if not isinstance(facts[0], Rejected):
                entries.append(self._seal(command))
                projection.record(self._sequence, facts)
                happened.extend(facts)
        if entries:
            balances = self._commit(entries, projection)
            self._publish(now_ms, happened, projection.trades, balances)
        for waiting, facts in zip(batch, results, strict=True):
            outcome = "rejected" if isinstance(facts[0], Rejected) else "accepted"
            COMMANDS.labels(type(waiting.command).__name__, outcome).inc()
            waiting.answer.set_result(facts)

    def _stamp(self, command: Command, now_ms: int) -> Command:
        """Fill in the time and the next id: the only place where either comes from."""
        match command:
            case PlaceOrder():
                return command._replace(time_ms=now_ms, order_id=self._exchange.last_order_id + 1)
            case OpenAccount():
                number = self._exchange.custody.last_account_id + 1
                return command._replace(time_ms=now_ms, account_id=number)
            case RequestWithdrawal():
                number = self._exchange.custody.last_withdrawal_id + 1
                return command._replace(time_ms=now_ms, withdrawal_id=number)
            case _:
                return command._replace(time_ms=now_ms)

    def _seal(self, command: Command) -> Entry:
        payload = encode_command(command)
        self._sequence += 1
        self._hash = seal(self._hash, self._sequence, payload)
        return Entry(self._sequence, payload, self._hash)

    def _commit(self, entries: list[Entry], projection: Projection) -> list[Balance]:
        touched = sorted(projection.touched_accounts())
        balances = [balance_of(self._exchange, number) for number in touched]
        with COMMIT_SECONDS.time(), self._conn.transaction():
            if not repository.claim_sequence(self._conn, self._epoch, self._sequence):
                raise Fenced("a later engine writes to this database now")
            repository.append_journal(self._conn, self._epoch, entries)
            repository.save_projection(self._conn, projection, balances)
        BATCH.observe(len(entries))
        return balances

    def _publish(
        self, now_ms: int, facts: list[Fact], trades: list[Traded], balances: list[Balance]
    ) -> None:
        book = self._exchange.book
        levels = book.take_changes()
        commit = Commit(now_ms, self._sequence, facts, trades, book.update_id, levels, balances)
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

    def _answer_questions(self, questions: list[_Question]) -> None:
        for question in questions:
            question.answer.set_result(question.ask(self._exchange))

    def _halt(self, error: Exception, batch: list[_Waiting | _Question]) -> None:
        """Stop for good: nobody may build on a state that the record does not hold."""
        self.failure = f"{type(error).__name__}: {error}"
        log.error("engine stopped", error=self.failure, exc_info=error)
        for item in batch:
            if not item.answer.done():
                item.answer.set_exception(StatusUnknown())
        self._drain()
        self._on_failure()

    def _drain(self) -> None:
        """Answer whatever still waits: its fate is unknown to the one who asked."""
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            if item is not None and item.answer.set_running_or_notify_cancel():
                item.answer.set_exception(StatusUnknown())


async def execute(engine: Engine, command: Command) -> list[Fact]:
    """Return the durable facts of a command, or raise its refusal; for asynchronous callers."""
    return _check(await asyncio.wrap_future(engine.submit(command)))


def execute_and_wait(engine: Engine, command: Command) -> list[Fact]:
    """Return the durable facts of a command, or raise its refusal; for threads."""
    return _check(engine.submit(command).result(ANSWER_SECONDS))


def _check(facts: list[Fact]) -> list[Fact]:
    if isinstance(facts[0], Rejected):
        raise BinanceRefusal(facts[0].reason)
    return facts
