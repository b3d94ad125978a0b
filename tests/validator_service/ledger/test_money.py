"""Money: credited once, never below zero, and the books balance."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from taonet.kit.db import begin, open_pool
from validator_service.domain.keys import digest_key
from validator_service.gateway.billing import make_bill
from validator_service.ledger import operations, repository
from validator_service.ledger.books import Books
from validator_service.ledger.deposits import (
    derive_deposit_keypair,
    derive_treasury_keypair,
    load_seed,
)
from validator_service.ledger.errors import AlreadyMade, InsufficientBalance
from validator_service.ledger.key_repository import Caller, KeyRules
from validator_service.ledger.operations import Deposit
from validator_service.ledger.repository import Booking, Part, Settlement
from validator_service.payouts.statement_repository import list_problems

ALICE = Caller("alice", digest_key("key").hex()[:16])


def reserve(wanted: Booking, conn: Any) -> Any:
    return repository.reserve(conn, wanted, seconds=60)


@dataclass(frozen=True)
class Teller:
    """Moves money as the gateway's calls do: through the books, and asks why where it can't."""

    pool: ConnectionPool
    books: Books

    def reserve(self, wanted: Booking) -> None:
        if not self.books.write(partial(reserve, wanted)).result(10):
            with begin(self.pool) as conn:
                operations.refuse(conn, wanted)

    def settle(self, ended: Settlement) -> bool:
        return self.books.write(make_bill(ended, None)).result(10)

    def release(self, request_id: str) -> None:
        with begin(self.pool) as conn:
            repository.release(conn, request_id)


@pytest.fixture
def pool(database: Callable[[str], str]) -> Iterator[ConnectionPool]:
    with open_pool(database("validator_service")) as opened:
        with begin(opened) as conn:
            account = operations.open_account(conn, "alice")
            operations.add_key(conn, account, "alice-deposits", "key", KeyRules())
        yield opened


@pytest.fixture
def teller(pool: ConnectionPool) -> Iterator[Teller]:
    books = Books(pool)
    books.start()
    yield Teller(pool, books)
    books.stop()


def fill(pool: ConnectionPool, amount_rao: int, height: int = 1) -> None:
    with begin(pool) as conn:
        deposit = Deposit(height, 0, "alice", "alice-deposits", amount_rao)
        operations.credit_deposits(conn, height, [deposit], "treasury")


def balances(pool: ConnectionPool) -> tuple[int, int]:
    with begin(pool) as conn:
        account = repository.load_account(conn, "alice")
    return account.balance_rao, account.reserved_rao


def booking(request_id: str, amount_rao: int, idempotency_key: str | None = None) -> Booking:
    return Booking(
        request_id, ALICE.account, ALICE.key_id, "network/best", amount_rao, idempotency_key
    )


def settlement(request_id: str, cost_rao: int, *others: Part) -> Settlement:
    part = Part(3, "bob", "bobs-owner", cost_rao, cost_rao * 8 // 10)
    return Settlement(request_id, 10, 5, part, others)


def check_books(url: str) -> None:
    """Every balance is the sum of its rows, and what came in is there or was spent."""
    accounts: dict[str, int]
    with psycopg.connect(url) as conn:
        rows = conn.execute("SELECT debit, credit, amount_rao FROM transfer").fetchall()
        accounts = dict(conn.execute("SELECT address, balance_rao FROM account").fetchall())
    sums: Counter[str] = Counter()
    for debit, credit, amount in rows:
        sums[debit] -= amount
        sums[credit] += amount
    assert {address: sums[address] for address in accounts} == accounts
    assert sums.total() == 0


def test_a_deposit_is_credited_once(pool: ConnectionPool) -> None:
    for _ in range(3):
        fill(pool, 500)
    fill(pool, 70, height=2)

    assert balances(pool) == (570, 0)
    check_books(str(pool.conninfo))


def test_transfers_to_strangers_and_of_nothing_are_not_credited(pool: ConnectionPool) -> None:
    with begin(pool) as conn:
        credited = operations.credit_deposits(
            conn,
            1,
            [Deposit(1, 0, "bob", "mallory", 5), Deposit(1, 1, "bob", "alice-deposits", 0)],
            "treasury",
        )

    assert credited == []


def test_a_call_takes_what_it_cost_and_frees_the_rest(teller: Teller) -> None:
    fill(teller.pool, 1000)
    teller.reserve(booking("call", 400))
    assert balances(teller.pool) == (1000, 400)

    assert teller.settle(settlement("call", 150))
    assert not teller.settle(settlement("call", 150))
    teller.release("call")

    assert balances(teller.pool) == (850, 0)
    check_books(str(teller.pool.conninfo))


def test_a_call_that_came_to_nothing_costs_nothing(teller: Teller) -> None:
    fill(teller.pool, 1000)
    teller.reserve(booking("call", 400))
    teller.release("call")
    teller.release("call")

    assert balances(teller.pool) == (1000, 0)


def test_more_than_there_is_cannot_be_reserved(pool: ConnectionPool, teller: Teller) -> None:
    fill(pool, 100)

    with pytest.raises(InsufficientBalance) as caught:
        teller.reserve(booking("call", 101))

    assert caught.value.details == {"missing_rao": "1", "deposit_address": "alice-deposits"}
    assert balances(pool) == (100, 0)


def test_what_a_dead_gateway_reserved_is_freed_when_it_expires(
    pool: ConnectionPool, teller: Teller
) -> None:
    fill(pool, 1000)
    with begin(pool) as conn:
        repository.reserve(conn, booking("dead", 300), seconds=-1)
        repository.reserve(conn, booking("alive", 200), seconds=60)
    with begin(pool) as conn:
        assert repository.release_expired(conn) == 1

    assert balances(pool) == (1000, 200)
    assert not teller.settle(settlement("dead", 10))
    assert balances(pool) == (1000, 200)


def test_one_of_many_at_once_gets_what_pays_for_one(pool: ConnectionPool, teller: Teller) -> None:
    fill(pool, 100)
    outcomes: list[str] = []

    def attempt(number: int) -> None:
        try:
            teller.reserve(booking(f"call-{number}", 60))
            outcomes.append("reserved")
        except InsufficientBalance:
            outcomes.append("refused")

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Counter(outcomes) == {"reserved": 1, "refused": 49}
    assert balances(pool) == (100, 60)


def test_the_database_itself_refuses_a_balance_below_zero(teller: Teller) -> None:
    fill(teller.pool, 100)
    teller.reserve(booking("call", 60))

    with pytest.raises(psycopg.errors.CheckViolation):
        teller.settle(settlement("call", 101))


def test_deposit_addresses_come_from_one_secret_that_is_kept(tmp_path: Any) -> None:
    seed = load_seed(str(tmp_path), "wallet", "first")

    assert load_seed(str(tmp_path), "wallet", "first") == seed
    assert (tmp_path / "wallet" / "deposit_seed.first").stat().st_mode & 0o777 == 0o600
    addresses = {derive_deposit_keypair(seed, number).ss58_address for number in range(5)}
    assert len(addresses) == 5
    assert derive_deposit_keypair(seed, 1).ss58_address in addresses


def test_two_validators_of_one_wallet_have_addresses_of_their_own(tmp_path: Any) -> None:
    seeds = {load_seed(str(tmp_path), "wallet", name) for name in ("first", "second")}

    assert len(seeds) == 2
    assert len({derive_treasury_keypair(seed).ss58_address for seed in seeds}) == 2


def test_the_first_takes_the_secret_along_that_the_wallet_had(tmp_path: Any) -> None:
    (tmp_path / "wallet").mkdir()
    (tmp_path / "wallet" / "deposit_seed").write_text("ab" * 32)

    assert load_seed(str(tmp_path), "wallet", "first") == "ab" * 32
    assert load_seed(str(tmp_path), "wallet", "second") != "ab" * 32


def test_movements_of_one_batch_have_each_their_own_outcome(
    pool: ConnectionPool, database: Any
) -> None:
    fill(pool, 1_000)
    books = Books(pool)
    # All wait before the first is written, so they are one batch.
    wanted = [books.write(partial(reserve, booking(f"call-{n}", 300))) for n in range(5)]
    broken = books.write(lambda conn: conn.execute("SELECT * FROM nowhere"))
    left = books.write(partial(reserve, booking("left", 1)))
    assert left.cancel()
    books.start()

    assert [future.result(10) for future in wanted] == [True, True, True, False, False]
    with pytest.raises(psycopg.errors.UndefinedTable):
        broken.result(10)
    assert balances(pool) == (1_000, 900)
    settled = [
        books.write(make_bill(settlement(f"call-{number}", 100), None)) for number in range(4)
    ]
    assert [future.result(10) for future in settled] == [True, True, True, False]
    books.stop()
    assert balances(pool) == (700, 0)


def test_one_idempotency_key_reserves_once_until_its_call_came_to_nothing(teller: Teller) -> None:
    fill(teller.pool, 1_000)
    teller.reserve(booking("first", 100, "mine"))
    with pytest.raises(AlreadyMade, match="under way"):
        teller.reserve(booking("second", 100, "mine"))
    teller.release("first")
    teller.reserve(booking("third", 100, "mine"))
    teller.settle(settlement("third", 50))
    with pytest.raises(AlreadyMade, match="answered and paid"):
        teller.reserve(booking("fourth", 100, "mine"))

    assert balances(teller.pool) == (950, 0)


def test_servers_that_answered_together_are_paid_together(
    pool: ConnectionPool, teller: Teller
) -> None:
    fill(pool, 1_000)
    other = Part(4, "carol", "carols-owner", 40, 32)
    teller.reserve(booking("call", 400))
    assert teller.settle(settlement("call", 60, other))
    assert not teller.settle(settlement("call", 60, other))
    with begin(pool) as conn:
        sides = repository.sum_balances(conn)
        assert list_problems(conn) == []

    assert balances(pool) == (900, 0)
    assert (sides["server:bobs-owner"], sides["server:carols-owner"]) == (48, 32)
