"""Starting is recovering: one writer takes over, and snapshot and journal say where it stands."""

import gc
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import orjson
from psycopg import Connection

from exchange_service import repository
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import Rejected
from exchange_service.domain.journal import GENESIS_HASH, read_command
from exchange_service.domain.snapshot import calculate_fingerprint, read_snapshot
from exchange_service.feed import Commit
from exchange_service.market_view import RECENT_TRADES, MarketView
from exchange_service.metrics import RECOVERED, RECOVERY_SECONDS
from exchange_service.repository import Balance
from taonet.kit.logging import get_logger

LOCK_WAIT_SECONDS = 15.0
LOCK_RETRY_SECONDS = 0.25
SILENT_SECONDS: Final = 10.0
"""An engine that has not said for so long that it lives is frozen: it says so every second."""

log = get_logger(__name__)


@contextmanager
def paused_collector() -> Iterator[None]:
    """Have the collector of garbage look the other way: what a replay makes, it keeps."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class CannotStart(RuntimeError):
    """The engine must not run: another one does, or the record contradicts itself."""


class Recovered(NamedTuple):
    """Where the exchange stands, and the right to write on."""

    exchange: Exchange
    market: MarketView
    epoch: int
    sequence: int
    hash: bytes
    ledger_hash: bytes
    snapshot_sequence: int


class Replayed(NamedTuple):
    """The state after a journal entry."""

    exchange: Exchange
    sequence: int
    hash: bytes


def recover(conn: Connection) -> Recovered:
    """Become the one writer on this connection and rebuild the state from the record."""
    _wait_for_lock(conn)
    started = time.monotonic()
    with conn.transaction():
        # From here on no earlier engine can commit, were it to wake up.
        epoch = repository.raise_epoch(conn)
    with conn.transaction():
        start = load_snapshot(conn)
        exchange, sequence, sealed = replay(conn, start)
    _check_balances(conn, exchange)

    market = MarketView()
    balances = [balance_of(exchange, number) for number in exchange.accounts]
    book = exchange.book
    trades = repository.list_recent_trades(conn, RECENT_TRADES)
    book.take_changes()
    levels = book.list_levels()
    market.publish(Commit(0, sequence, [], trades, book.update_id, levels, balances))
    elapsed = time.monotonic() - started
    RECOVERY_SECONDS.set(elapsed)
    RECOVERED.set(sequence - start.sequence)
    log.info("recovered", commands=sequence, snapshot=start.sequence, seconds=round(elapsed, 3))
    ledger_hash = repository.find_ledger_hash(conn) or GENESIS_HASH
    return Recovered(exchange, market, epoch, sequence, sealed, ledger_hash, start.sequence)


def balance_of(exchange: Exchange, account_id: int) -> Balance:
    return Balance(account_id, *exchange.accounts[account_id].balances())


@paused_collector()
def load_snapshot(conn: Connection) -> Replayed:
    """Return the state of the newest snapshot, or of the beginning; its hashes must agree."""
    snapshot = repository.find_snapshot(conn)
    if snapshot is None:
        return Replayed(Exchange(), 0, GENESIS_HASH)
    sequence = snapshot.sequence
    if hashlib.sha256(snapshot.state).hexdigest() != snapshot.fingerprint:
        raise CannotStart(f"the snapshot of entry {sequence} is not what was written")
    if repository.find_hash(conn, sequence) != snapshot.journal_hash:
        raise CannotStart(f"the snapshot of entry {sequence} belongs to another journal")
    exchange = read_snapshot(snapshot.state)
    if calculate_fingerprint(exchange) != snapshot.fingerprint:
        raise CannotStart(f"the snapshot of entry {sequence} cannot be read by this version")
    return Replayed(exchange, sequence, snapshot.journal_hash)


@paused_collector()
def replay(conn: Connection, start: Replayed) -> Replayed:
    """Apply the rest of the journal, and see that its chain is whole."""
    exchange, sequence, _ = start
    exchange.enforcing = False
    for page in repository.read_journal(conn, sequence):
        if page.broken is not None:
            raise CannotStart(f"the journal's chain of hashes breaks at entry {page.broken}")
        # Parsed together, for that is much faster than one by one.
        for row in orjson.loads(b"[" + page.payloads.replace(b"\n", b",") + b"]"):
            sequence += 1
            if isinstance(exchange.apply(read_command(row))[0], Rejected):
                raise CannotStart(f"entry {sequence} was accepted once and is refused now")
    exchange.enforcing = True
    return Replayed(exchange, sequence, repository.find_hash(conn, sequence) or GENESIS_HASH)


def _wait_for_lock(conn: Connection) -> None:
    # The engine before us may have died a moment ago, its connection not yet noticed as closed.
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while not repository.try_lock_engine(conn):
        if repository.end_frozen_engine(conn, SILENT_SECONDS):
            log.warning("an engine held the lock and was silent: its session was ended")
        if time.monotonic() > deadline:
            raise CannotStart("another exchange engine is running on this database; stop it first")
        time.sleep(LOCK_RETRY_SECONDS)


def _check_balances(conn: Connection, exchange: Exchange) -> None:
    saved = repository.read_balances(conn)
    for number in exchange.accounts:
        replayed = balance_of(exchange, number)
        if saved.pop(number, Balance(number, 0, 0, 0, 0)) != replayed:
            raise CannotStart(f"account {number}: the table's balance is not the journal's")
    if saved:
        raise CannotStart(f"balances of accounts the journal does not know: {sorted(saved)}")
