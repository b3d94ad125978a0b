"""How many reservations and settlements the books write in a second, by the gateway's own way."""

import secrets
import sys
import time
from collections import deque
from concurrent.futures import Future
from functools import partial

from psycopg import Connection, Cursor
from tqdm import tqdm

from taonet.kit.db import begin, migrate, open_pool
from validator_service.ledger import operations, repository
from validator_service.ledger.books import Books
from validator_service.ledger.key_repository import KeyRules
from validator_service.ledger.operations import Deposit
from validator_service.ledger.repository import Booking, Part, Settlement

PAIRS = 3_000
AT_ONCE = 64
"""Calls under way at once."""
ROUNDS = 3
FAR_BLOCK = 10**6
"""Beyond the blocks in which real deposits came."""
CASES = {"one account": 1, "32 accounts": 32}


def measure(database_url: str) -> dict[str, list[float]]:
    """Return pairs of reserve and settle a second, for each case several times."""
    migrate(database_url, "validator_service")
    with open_pool(database_url) as pool:
        books = Books(pool)
        books.start()
        found = {}
        for name, count in CASES.items():
            with begin(pool) as conn:
                accounts = [open_account(conn) for _ in range(count)]
            rounds = tqdm(range(ROUNDS), desc=f"ledger, {name}", file=sys.stderr)
            found[name] = [run(books, accounts) for _ in rounds]
        books.stop()
    return found


def open_account(conn: Connection) -> tuple[str, str]:
    """Return a rich account and its key."""
    address, deposits = secrets.token_hex(16), secrets.token_hex(16)
    account = operations.open_account(conn, address)
    key_id = operations.add_key(conn, account, deposits, secrets.token_hex(16), KeyRules())
    height = FAR_BLOCK + account.number
    deposit = Deposit(height, 0, "chain", deposits, 10**15)
    operations.credit_deposits(conn, height, [deposit], "treasury")
    return address, key_id


def run(books: Books, accounts: list[tuple[str, str]]) -> float:
    started = time.perf_counter()
    reserved: deque[tuple[str, Future[bool]]] = deque()
    settled: list[Future[bool]] = []
    for number in range(PAIRS):
        request_id, (address, key_id) = secrets.token_hex(16), accounts[number % len(accounts)]
        booking = Booking(request_id, address, key_id, "network/best", 100_000)
        reserved.append((request_id, books.write(partial(reserve, booking))))
        if len(reserved) == AT_ONCE:
            settled.append(settle_first(books, reserved))
    settled += [settle_first(books, reserved) for _ in range(len(reserved))]
    assert all(future.result(30) for future in settled)
    return PAIRS / (time.perf_counter() - started)


def settle_first(books: Books, reserved: "deque[tuple[str, Future[bool]]]") -> "Future[bool]":
    request_id, future = reserved.popleft()
    assert future.result(30)
    part = Part(3, "hotkey", "coldkey", 50_000, 40_000)
    return books.write(partial(settle, Settlement(request_id, 100, 100, part)))


def reserve(booking: Booking, conn: Connection) -> Cursor[tuple[str]]:
    return repository.reserve(conn, booking, seconds=60)


def settle(settlement: Settlement, conn: Connection) -> Cursor[tuple[str]]:
    return repository.settle(conn, settlement)
