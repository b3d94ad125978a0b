"""A real chain beneath the gateway: here money must move."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from psycopg_pool import ConnectionPool
from tests.chain_service.conftest import RunningChain, enrich, key, quiet_chain, take_out
from tests.validator_service.gateway.conftest import consumer, gateway_url

from taonet.kit.db import begin, open_pool
from validator_service.ledger import operations, repository
from validator_service.ledger.deposits import (
    DepositFollower,
    derive_deposit_keypair,
    derive_treasury_keypair,
)
from validator_service.ledger.key_repository import Caller, KeyRules
from validator_service.ledger.repository import Booking, Part, Settlement
from validator_service.payouts.paying import Payer

__all__ = ["consumer", "gateway_url", "quiet_chain"]

TAO = 10**9
SEED = "5e" * 32
CONSUMER: str = key("alice").ss58_address


@dataclass
class RealChain:
    """What tests ask of the stub, done by the real chain."""

    running: RunningChain
    purse: Any = field(default_factory=lambda: key("purse"))
    owner: Any = field(default_factory=lambda: key("server-owner"))
    """The coldkey of every Server."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.running.port}"

    def fill_purse(self) -> None:
        first, second = key("first"), key("second")
        enrich(self.running.client, self.purse, first, second)
        take_out(self.running.client, self.purse, first, 2 * TAO)

    def transfer(self, receiver: str, amount_rao: int) -> None:
        arguments = {"receiver": receiver, "amount_rao": amount_rao}
        self.running.client.execute(self.purse, "transfer", arguments)

    def serve(self, keypair: Any, port: int) -> int:
        uid = self.running.client.register_by_work(keypair, self.owner.ss58_address)
        arguments = {"ip": "127.0.0.1", "port": port, "name": "server"}
        self.running.client.execute(keypair, "serve_axon", arguments)
        return uid

    def free_rao(self, address: str) -> int:
        return self.running.client.account(address).free_rao


@pytest.fixture
def chain(quiet_chain: RunningChain) -> RealChain:
    quiet_chain.start_author()
    quiet_chain.start_web()
    quiet_chain.wait_ready()
    real = RealChain(quiet_chain)
    real.fill_purse()
    return real


@dataclass
class Books:
    """A gateway's books with one consumer, without the gateway."""

    pool: ConnectionPool
    chain: RealChain
    url: str
    deposit_address: str
    caller: Caller
    calls: int = 0

    @property
    def consumer(self) -> str:
        return self.caller.account

    @property
    def payer(self) -> Payer:
        return Payer(self.chain.running.client, self.pool, SEED, minimum_rao=10_000)

    def use(self, cost_rao: int, share_rao: int, coldkey: str) -> None:
        """Book a call that a Server answered."""
        self.calls += 1
        name = f"call-{self.calls}"
        with begin(self.pool) as conn:
            account, key_id = self.caller.account, self.caller.key_id
            booking = Booking(name, account, key_id, "network/best", cost_rao)
            repository.reserve(conn, booking, seconds=60)
            part = Part(3, "hotkey", coldkey, cost_rao, share_rao)
            repository.settle(conn, Settlement(name, 10, 5, part))

    def rows(self, query: Any) -> list[tuple[Any, ...]]:
        with begin(self.pool) as conn:
            return conn.execute(query).fetchall()


@pytest.fixture
def books(chain: RealChain, database: Any, wait: Any) -> Iterator[Books]:
    """Filled by one deposit of half a TAO, on chain and in the books."""
    url = database("validator_service")
    with open_pool(url) as pool:
        with begin(pool) as conn:
            account = operations.open_account(conn, CONSUMER)
            address = derive_deposit_keypair(SEED, account.number).ss58_address
            key_id = operations.add_key(conn, account, address, "key", KeyRules())
        treasury = derive_treasury_keypair(SEED).ss58_address
        follower = DepositFollower(pool, chain.url, treasury)
        follower.start()
        made = Books(pool, chain, url, address, Caller(CONSUMER, key_id))
        chain.transfer(address, TAO // 2)
        wait(lambda: made.rows("SELECT 1 FROM account WHERE balance_rao > 0"))
        yield made
        follower.stop()
