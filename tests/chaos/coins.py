"""A Bitcoin node that lives through all kills of the exchange, and what it saw paid."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.bench.stores import make_schema, open_store
from tests.conftest import free_port, wait_until

from exchange_service.bitcoin.node import BitcoinNode
from exchange_service.client import ExchangeClient

PASSWORD = "secret"
RIPE_HEIGHT = 110
"""From here on, the faucet's first coins may be spent."""
SETTLED = 6
PATIENCE_SECONDS = 90


class Coins:
    """Where withdrawals go, and whether the chain agrees with the books about them."""

    def __init__(self, url: str, node: BitcoinNode) -> None:
        self.url = url
        self._node = node
        self.receiver: str = node._call("getnewaddress")
        self._booked: dict[str, int] = {}
        """Transactions that the exchange says it has paid by, and how often."""

    def agree(self, public: ExchangeClient, owners: list[ExchangeClient]) -> bool:
        """Wait for the owners' withdrawals; each is one payment, and all deposits are covered."""
        settled: list[Any] = []

        def is_done() -> bool:
            settled[:] = [one for owner in owners for one in owner.withdrawals()]
            return all(one["status"] == SETTLED for one in settled)

        wait_until(is_done, PATIENCE_SECONDS)
        for one in settled:
            self._booked[one["txId"]] = self._booked.get(one["txId"], 0) + 1
        proof = public.reserves()
        return self._count_paid() == self._booked and proof.held_sat >= proof.owed_sat > 0

    def _count_paid(self) -> dict[str, int]:
        """Return how many outputs to the receiver each transaction on the chain has."""
        paid: dict[str, int] = {}
        for one in self._node._call("listsinceblock")["transactions"]:
            if one["address"] == self.receiver:
                paid[one["txid"]] = paid.get(one["txid"], 0) + 1
        return paid


@contextmanager
def running_coins() -> Iterator[Coins]:
    """Run the node on a Postgres of its own, which is never killed."""
    port = free_port()
    url = f"http://taonet:{PASSWORD}@127.0.0.1:{port}"
    with open_store() as store:
        settings = {
            "TAONET_DATABASE_URL": make_schema(store.url, "bitcoin_node"),
            "TAONET_BITCOIN_RPC_PASSWORD": PASSWORD,
            "TAONET_BITCOIN_BLOCK_SECONDS": "0.3",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        command = [sys.executable, "-m", "uvicorn", "--factory", "bitcoin_node.app:create_app"]
        command += ["--port", str(port), "--log-level", "warning", "--no-access-log"]
        process = subprocess.Popen(command, env={**os.environ, **settings})
        try:
            with BitcoinNode(url) as node:
                wait_until(lambda: node.height() >= RIPE_HEIGHT, PATIENCE_SECONDS)
                yield Coins(url, node)
        finally:
            process.kill()
            process.wait()
