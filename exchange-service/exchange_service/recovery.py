"""Starting is recovering: one writer takes over, and the journal says where the exchange stands."""

import time
from typing import NamedTuple

from psycopg import Connection

from exchange_service import repository
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import Rejected, Traded
from exchange_service.domain.journal import GENESIS_HASH, decode_command, seal
from exchange_service.feed import Commit
from exchange_service.market_view import RECENT_TRADES, MarketView
from exchange_service.metrics import RECOVERED, RECOVERY_SECONDS
from exchange_service.repository import Balance
from taonet.kit.logging import get_logger

LOCK_WAIT_SECONDS = 15.0
LOCK_RETRY_SECONDS = 0.25

log = get_logger(__name__)


class CannotStart(RuntimeError):
    """The engine must not run: another one does, or the record contradicts itself."""


class Recovered(NamedTuple):
    """Where the exchange stands, and the right to write on."""

    exchange: Exchange
    market: MarketView
    epoch: int
    sequence: int
    hash: bytes


def recover(conn: Connection) -> Recovered:
    """Become the one writer on this connection and rebuild the state from the journal."""
    _wait_for_lock(conn)
    started = time.monotonic()
    with conn.transaction():
        epoch = repository.raise_epoch(conn)
    exchange, sequence, sealed, trades = _replay(conn)
    _check_balances(conn, exchange)

    market = MarketView()
    balances = [balance_of(exchange, number) for number in exchange.accounts]
    book = exchange.book
    market.publish(Commit(0, sequence, [], trades, book.update_id, book.take_changes(), balances))
    elapsed = time.monotonic() - started
    RECOVERY_SECONDS.set(elapsed)
    RECOVERED.set(sequence)
    log.info("recovered", commands=sequence, seconds=round(elapsed, 3), epoch=epoch)
    return Recovered(exchange, market, epoch, sequence, sealed)


def balance_of(exchange: Exchange, account_id: int) -> Balance:
    return Balance(account_id, *exchange.accounts[account_id].balances())


def _wait_for_lock(conn: Connection) -> None:
    # The engine before us may have died a moment ago, its connection not yet noticed as closed.
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while not repository.try_lock_engine(conn):
        if time.monotonic() > deadline:
            raise CannotStart("another exchange engine is running on this database; stop it first")
        time.sleep(LOCK_RETRY_SECONDS)


def _replay(conn: Connection) -> tuple[Exchange, int, bytes, list[Traded]]:
    exchange, sequence, sealed = Exchange(), 0, GENESIS_HASH
    trades: list[Traded] = []
    with conn.transaction():
        for entry in repository.read_journal(conn):
            sequence += 1
            sealed = seal(sealed, sequence, entry.payload)
            if entry.sequence != sequence or entry.hash != sealed:
                raise CannotStart(f"the journal's chain of hashes breaks at entry {sequence}")
            facts = exchange.apply(decode_command(entry.payload))
            if isinstance(facts[0], Rejected):
                raise CannotStart(f"entry {sequence} was accepted once and is refused now")
            trades.extend(fact for fact in facts if isinstance(fact, Traded))
            del trades[:-RECENT_TRADES]
    return exchange, sequence, sealed, trades


def _check_balances(conn: Connection, exchange: Exchange) -> None:
    saved = repository.read_balances(conn)
    for number in exchange.accounts:
        replayed = balance_of(exchange, number)
        if saved.pop(number, Balance(number, 0, 0, 0, 0)) != replayed:
            raise CannotStart(f"account {number}: the table's balance is not the journal's")
    if saved:
        raise CannotStart(f"balances of accounts the journal does not know: {sorted(saved)}")
