"""Servers are paid on a real chain, each call once, whatever dies."""

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.conftest import wait_until

from chain_service.async_client import AsyncChainClient
from validator_service.ledger.deposits import derive_treasury_keypair
from validator_service.payouts.audit import Auditor
from validator_service.payouts.schemas import AuditView

SEED = "5e" * 32
TREASURY: str = derive_treasury_keypair(SEED).ss58_address
DYING = Path(__file__).with_name("dying.py")
STEPS_MAX = 40


def pay(books: Any) -> None:
    """Pay all that is owed, and come to rest."""
    books.payer.open_payout()
    while books.payer.advance():
        time.sleep(0.05)


def audit(books: Any) -> AuditView:
    async def look() -> AuditView:
        async with AsyncChainClient(books.chain.url) as chain:
            return await Auditor(books.pool, chain, SEED).audit()

    return asyncio.run(look())


def test_shares_are_paid_in_one_batch_from_swept_deposits(books: Any) -> None:
    first, second = books.chain.owner.ss58_address, books.chain.purse.ss58_address
    before = books.chain.free_rao(second)
    books.use(5_000_000, 4_000_000, first)
    books.use(2_500_000, 2_000_000, second)
    books.use(2_500_000, 2_000_000, first)

    pay(books)

    assert books.chain.free_rao(first) == 6_000_000
    assert books.chain.free_rao(second) == before + 2_000_000
    assert books.chain.free_rao(books.deposit_address) == 0
    kinds = books.rows("SELECT kind, count(*) FROM payment GROUP BY kind ORDER BY kind")
    assert kinds == [("payout", 1), ("sweep", 1)]
    seen = audit(books)
    assert seen.balanced, seen.problems
    assert seen.consumers_rao == 500_000_000 - 10_000_000
    assert (seen.servers_rao, seen.take_rao) == (0, 2_000_000)
    assert seen.fees_rao > 0
    assert books.payer.open_payout() is None


def test_little_is_kept_until_it_is_worth_sending(books: Any) -> None:
    books.use(10_000, 9_999, books.chain.owner.ss58_address)

    assert books.payer.open_payout() is None
    books.use(1, 1, books.chain.owner.ss58_address)
    # Now it is enough to send, but the take does not pay the chain's fees; capital does.
    assert books.payer.open_payout() is None
    books.chain.transfer(TREASURY, 20_000_000)
    wait_until(lambda: audit(books).capital_rao > 0)
    pay(books)

    assert books.chain.free_rao(books.chain.owner.ss58_address) == 10_000
    assert audit(books).balanced


def test_a_server_that_names_the_treasury_its_owner_stops_nobody(books: Any) -> None:
    books.use(5_000_000, 4_000_000, TREASURY)
    books.use(5_000_000, 4_000_000, books.chain.owner.ss58_address)

    pay(books)

    assert books.chain.free_rao(books.chain.owner.ss58_address) == 4_000_000
    assert audit(books).balanced


def test_killed_at_every_step_it_pays_once(books: Any) -> None:
    owner, owed = books.chain.owner.ss58_address, 0
    for step in range(STEPS_MAX):
        books.use(5_000_000, 4_000_000, owner)
        owed += 4_000_000
        arguments = [sys.executable, str(DYING), books.url, books.chain.url, SEED, str(step)]
        died = subprocess.run(arguments, check=False, timeout=60).returncode != 0
        pay(books)
        assert books.chain.free_rao(owner) == owed, f"killed at step {step}"
        if not died:
            break
    else:
        raise AssertionError("it was killed at every step and never came to its end")

    assert step >= 8, "too few steps to have covered intent, signature, sending and settling"
    seen = audit(books)
    assert seen.balanced, seen.problems


def test_many_payers_at_once_pay_once(books: Any) -> None:
    owner = books.chain.owner.ss58_address
    for _ in range(3):
        books.use(5_000_000, 4_000_000, owner)

    threads = [threading.Thread(target=pay, args=(books,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert books.chain.free_rao(owner) == 12_000_000
    assert audit(books).balanced


def test_an_audit_tells_of_money_that_is_gone(books: Any) -> None:
    assert audit(books).balanced
    books.rows("UPDATE account SET balance_rao = balance_rao - 7 RETURNING 1")
    seen = audit(books)

    assert not seen.balanced
    assert f"balance of {books.consumer}" in seen.problems[0]
