"""kill -9 of exchange and signer while withdrawals are paid: each is paid once (failure mode 4).

TAONET_TEST_KILLS sets how often; `make kill-payments` kills fifty times.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import free_port, wait_until

from exchange_service.bitcoin.node import BitcoinNode
from exchange_service.client import ExchangeClient
from taonet.kit import db

KILLS = int(os.environ.get("TAONET_TEST_KILLS", "3"))
SEED = int(os.environ.get("TAONET_TEST_SEED", "1"))
AMOUNT = "0.01"
SENT_SAT = 995_000
TOKEN, PASSPHRASE, PASSWORD = "a token of tests", "a passphrase of tests", "secret"


class Cluster:
    """Bitcoin, signer and exchange as processes that can be killed and started again."""

    def __init__(self, database_url: str, bitcoin_database_url: str, folder: Path) -> None:
        self.ports = {name: free_port() for name in ("bitcoin", "signer", "exchange")}
        self.node_url = f"http://taonet:{PASSWORD}@127.0.0.1:{self.ports['bitcoin']}"
        shared = {
            "TAONET_REDIS_URL": "redis://127.0.0.1:1/0",
            "TAONET_EXCHANGE_SIGNER_TOKEN": TOKEN,
            "TAONET_EXCHANGE_SIGNER_URL": f"http://127.0.0.1:{self.ports['signer']}",
            "TAONET_EXCHANGE_WALLET_SEED_FILE": str(folder / "seed"),
            "TAONET_EXCHANGE_WALLET_PASSPHRASE": PASSPHRASE,
            "TAONET_EXCHANGE_API_SECRET_FILE": str(folder / "secret"),
            "TAONET_BITCOIN_URL": self.node_url,
            "TAONET_BITCOIN_RPC_PASSWORD": PASSWORD,
            "TAONET_BITCOIN_BLOCK_SECONDS": "0.3",
            "TAONET_CHAIN_URL": "",
            "TAONET_EXCHANGE_REQUEST_WEIGHT_PER_MINUTE": "1000000000",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        exchange = {**os.environ, **shared, "TAONET_DATABASE_URL": database_url}
        self._environments = {
            "bitcoin": {**exchange, "TAONET_DATABASE_URL": bitcoin_database_url},
            "signer": exchange,
            "exchange": exchange,
        }
        self._modules = {
            "bitcoin": "bitcoin_node.app:create_app",
            "signer": "exchange_service.signer.app:create_app",
            "exchange": "exchange_service.app:create_app",
        }
        self._log = (folder / "log").open("ab")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        listen = ["--port", str(self.ports[name]), "--log-level", "warning"]
        command = [sys.executable, "-m", "uvicorn", "--factory", self._modules[name], *listen]
        environment = self._environments[name]
        self._processes[name] = subprocess.Popen(
            command, env=environment, stdout=self._log, stderr=self._log
        )

    def probe(self, name: str) -> Callable[[], object]:
        url = f"http://127.0.0.1:{self.ports[name]}/readyz"
        return lambda: httpx.get(url).raise_for_status()

    def kill(self, name: str) -> None:
        self._processes[name].kill()
        self._processes[name].wait()

    def stop(self) -> None:
        for name in list(self._processes):
            self.kill(name)
        self._log.close()


@contextmanager
def running(cluster: Cluster) -> Iterator[Cluster]:
    try:
        for name in cluster.ports:
            cluster.start(name)
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(
    database: Callable[[str], str], postgres_admin_url: str, tmp_path: Path
) -> Iterator[Cluster]:
    bitcoin_url = db.provision(postgres_admin_url, "test_kill_bitcoin", password="test")
    db.migrate(bitcoin_url, "bitcoin_node")
    with running(Cluster(database("exchange_service"), bitcoin_url, tmp_path)) as started:
        yield started


def patiently(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call until the exchange is there and answers."""
    answers: list[Any] = []

    def once() -> None:
        answers.append(call(*arguments, **named))

    wait_until(once, 60)
    return answers[-1]


def test_killed_at_any_moment_every_withdrawal_is_paid_once(cluster: Cluster) -> None:
    url = f"http://127.0.0.1:{cluster.ports['exchange']}"
    with BitcoinNode(cluster.node_url) as node, ExchangeClient(url) as public:
        wait_until(lambda: node.height() >= 110, 60)
        # The faucet gives nothing, for good, to an account that is opened before the signer is up.
        for name in ("signer", "exchange"):
            wait_until(cluster.probe(name), 60)
        key = patiently(public.create_key, "ann", True)
        with ExchangeClient(url, key.api_key, key.secret) as ann:
            pay_through_kills(cluster, node, public, ann)


def pay_through_kills(
    cluster: Cluster, node: BitcoinNode, public: ExchangeClient, ann: ExchangeClient
) -> None:
    chance = random.Random(SEED)
    wait_until(lambda: patiently(ann.balances)["BTC"][0] == "1.00000000", 60)
    receiver = node._call("getnewaddress")
    for number in range(KILLS):
        patiently(ann.withdraw, AMOUNT, receiver, f"w{number}", "BTC")
        time.sleep(chance.random() * 1.5)
        for name in chance.sample(["exchange", "signer"], chance.randint(1, 2)):
            cluster.kill(name)
            cluster.start(name)

    def is_done() -> bool:
        return {one["status"] for one in ann.withdrawals()} == {6}

    wait_until(is_done, 180)
    paid = [
        one for one in node._call("listsinceblock")["transactions"] if one["address"] == receiver
    ]
    assert [int(one["amount"] * 10**8) for one in paid] == KILLS * [SENT_SAT]
    assert {one["txid"] for one in paid} == {one["txId"] for one in ann.withdrawals()}
    left = f"{1 - KILLS * 0.01:.8f}"
    assert patiently(ann.balances)["BTC"] == (left, "0.00000000"), f"seed {SEED}"
    proof = patiently(public.reserves)
    assert proof.held_sat >= proof.owed_sat
    assert patiently(public.audit).sound
