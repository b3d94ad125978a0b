"""The exchange's side of Bitcoin on a node of regtest, both moved by hand."""

import dataclasses
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi.testclient import TestClient

from bitcoin_node.app import create_app
from bitcoin_node.settings import NodeSettings
from exchange_service.bitcoin.deposits import BitcoinBookkeeper
from exchange_service.bitcoin.node import BitcoinNode
from exchange_service.bitcoin.withdrawals import BitcoinPayer
from exchange_service.client import ExchangeClient
from exchange_service.domain.commands import Asset
from exchange_service.signer.operations import Signer
from taonet.kit import db

LOGIN = "taonet:secret"
COIN = 100_000_000
CONFIRMATIONS = 3
STRANGER = "bcrt1qytss5wmafr0ktc7s9436vjr8xgnlj6wul6qvay"


@contextmanager
def running_node(postgres_admin_url: str) -> Iterator[TestClient]:
    """Run a node that mines only when it is told to."""
    url = db.provision(postgres_admin_url, f"test_bitcoin_{secrets.token_hex(4)}", password="test")
    db.migrate(url, "bitcoin_node")
    settings = NodeSettings(
        database_url=url, bitcoin_rpc_password=LOGIN.split(":")[1], bitcoin_block_seconds=0
    )
    with TestClient(create_app(settings)) as http:
        yield http


class BitcoinDesk:
    """A running exchange whose Bitcoin threads are stepped by the test."""

    def __init__(self, box: Any, http: TestClient, unlock: int = CONFIRMATIONS) -> None:
        self.box = box
        self.unlock = unlock
        self.http = http
        state = box.http.app.state
        self.pool = state.pool
        self.node = BitcoinNode(f"http://{LOGIN}@node", http=http)  # type: ignore[arg-type]
        terms = state.funds_terms
        self.signer: Signer = terms.desk.signer
        self.desk = dataclasses.replace(
            terms.desk,
            node=self.node,
            confirmations={Asset.TAO: 2, Asset.BTC: CONFIRMATIONS},
            faucet_wallet="faucet",
            bitcoin_unlock=unlock,
        )
        state.funds_terms = dataclasses.replace(terms, desk=self.desk)
        http.app.state.fee_rate_min = 0.0  # type: ignore[attr-defined]
        self.forget_waiting()
        self._paid_before_sat = 0
        self._paid_before_sat = self.received_sat()
        self.restart()
        self.read()

    def forget_waiting(self) -> None:
        """Empty the node's memory pool, as its restart, or a double spend, may."""
        with self.http.app.state.pool.connection() as conn:  # type: ignore[attr-defined]
            conn.execute("DELETE FROM waiting")

    def restart(self) -> None:
        """Forget what the threads hold in memory, as a crash does."""
        self.bookkeeper = BitcoinBookkeeper(
            self.node, self.box.engine, self.pool, self.signer, CONFIRMATIONS, self.unlock
        )
        self.payer = BitcoinPayer(self.node, self.pool, self.signer, self.desk.rules)

    def call(self, method: str, *params: Any) -> Any:
        return self.node._call(method, *params)

    def read(self) -> None:
        """Book all that is deep enough."""
        while self.bookkeeper.step():
            pass

    def mine(self, count: int = 1) -> list[str]:
        """Mine and book."""
        hashes: list[str] = self.call("generatetoaddress", count, self.call("getnewaddress"))
        self.read()
        return hashes

    def trader(self, name: str) -> ExchangeClient:
        """Open an account with 1 BTC that came by the chain."""
        client: ExchangeClient = self.box.trader(name)
        self.mine(CONFIRMATIONS)
        return client

    def received_sat(self, address: str = STRANGER) -> int:
        """Return what the chain has paid an address since this desk was opened."""
        with self.http.app.state.pool.connection() as conn:  # type: ignore[attr-defined]
            script = self.call("validateaddress", address)["scriptPubKey"]
            row = conn.execute(
                "SELECT COALESCE(sum(amount_sat), 0) FROM output WHERE script = %s",
                (bytes.fromhex(script),),
            ).fetchone()
        return int(row[0]) - self._paid_before_sat

    def held_sat(self) -> int:
        """Return what the chain holds on the exchange's addresses."""
        owned = [self.signer.describe().btc]
        owned += [self.signer.address(number, Asset.BTC) for number in range(1001, 1010)]
        with self.http.app.state.pool.connection() as conn:  # type: ignore[attr-defined]
            scripts = [
                bytes.fromhex(self.call("validateaddress", address)["scriptPubKey"])
                for address in owned
            ]
            row = conn.execute(
                "SELECT COALESCE(sum(amount_sat), 0) FROM output"
                " WHERE script = ANY(%s) AND spent_height IS NULL",
                (scripts,),
            ).fetchone()
        return int(row[0])

    def check_reserves(self) -> None:
        """What the chain holds for us is what the books say it holds (invariant I4)."""
        audit = self.box.audit()
        assert audit.sound, audit.faults
        assert audit.wallet_sat == self.held_sat()
