"""TAO that was mined on a real chain, deposited, traded, and withdrawn to the chain again."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.conftest import wait_until
from tests.exchange.live import OPERATOR_TOKEN

from chain_service.client import ChainClient
from exchange_service.app import create_app
from exchange_service.client import ExchangeClient
from exchange_service.reserves.reconciling import LOOKS_SHORT
from exchange_service.settings import ExchangeSettings
from taonet.kit.keys import Keypair, ensure_wallet

from .conftest import signing

FAST: dict[str, Any] = {
    "block_milliseconds": 100,
    "blocks_per_step": 3,
    "starting_difficulty": 50,
    "minimum_difficulty": 50,
    "weights_rate_limit_blocks": 0,
    "max_weight_limit_u32": 2**32 - 1,
}
MINED_RAO = 2 * 10**9
WAIT_SECONDS = 40.0


@pytest.fixture
def chain_url(
    database: Callable[[str], str], redis_url: str, free_port: int, tmp_path: Path
) -> Iterator[str]:
    ensure_wallet(tmp_path, "default", ["default"])
    environment = os.environ | {
        "TAONET_DATABASE_URL": database("chain_service"),
        "TAONET_REDIS_URL": redis_url,
        "TAONET_PRESET": "box",
        "TAONET_WALLET_PATH": str(tmp_path),
        "TAONET_CHAIN_PARAMETERS": json.dumps(FAST),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    web = ["uvicorn", "--factory", "chain_service.app:create_app", "--port", str(free_port)]
    modules = [["chain_service.worker"], [*web, "--log-level", "warning"]]
    with (tmp_path / "chain.log").open("ab") as log:
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", *module], env=environment, stdout=log, stderr=log
            )
            for module in modules
        ]
    yield f"http://127.0.0.1:{free_port}"
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(20)


def test_there_and_back_again(chain_url: str, exchange_settings: ExchangeSettings) -> None:
    settings = exchange_settings.model_copy(update={"chain_url": chain_url})
    miner, heir = Keypair.create_from_uri("//miner"), Keypair.create_from_uri("//heir")
    with ChainClient(chain_url) as chain:
        wait_until(lambda: chain.head().height > 0, WAIT_SECONDS)
        mine(chain, miner)
        with (
            signing(settings) as signer,
            TestClient(create_app(settings, lambda: None, signer)) as http,
        ):
            public = ExchangeClient(http=http)  # type: ignore[arg-type]
            key = public.create_key("ann", funded=True)
            ann = ExchangeClient(api_key=key.api_key, secret=key.secret, http=http)  # type: ignore[arg-type]
            address = ann.deposit_address()

            chain.execute(miner, "transfer", {"receiver": address, "amount_rao": str(10**9)})
            wait_until(lambda: ann.balances()["TAO"][0] == "1.000000000", WAIT_SECONDS)
            ann.limit_order("SELL", "0.005", "0.4")
            ann.withdraw("0.5", heir.ss58_address, "inheritance")
            wait_until(lambda: ann.withdrawals()[0]["status"] == 6, WAIT_SECONDS)

            assert chain.account(heir.ss58_address).free_rao == 499_000_000
            assert ann.balances()["TAO"] == ("0.100000000", "0.400000000")
            (withdrawal,), (deposit,) = ann.withdrawals(), ann.deposits()
            assert chain.receipt(withdrawal["txId"]).status == "included"
            assert chain.receipt(deposit["txId"]).status == "included"
            owned = (signer.describe().tao, address)
            held_rao = sum(chain.account(each).free_rao for each in owned)
            wait_until(lambda: public.audit().wallet_rao == held_rao, WAIT_SECONDS)
            assert public.audit(OPERATOR_TOKEN).sound
            reconciler = http.app.state.reconciler  # type: ignore[attr-defined]
            for _ in range(LOOKS_SHORT + 1):
                reconciler.look()
                assert holds(public, "I4")

            # Invariant I4: who has stolen the hot wallet's key pays himself, and it shows.
            stolen = {"receiver": heir.ss58_address, "amount_rao": str(10**8)}
            chain.execute(signer._wallet.hot, "transfer", stolen)

            def is_told() -> bool:
                reconciler.look()
                return not holds(public, "I4")

            wait_until(is_told, WAIT_SECONDS)
            (fault,) = public.audit().faults
            assert fault.startswith("I4: the chain holds 0.")


def holds(public: ExchangeClient, name: str) -> bool:
    (invariant,) = [one for one in public.audit().invariants if one.name == name]
    return invariant.holds


def mine(chain: ChainClient, coldkey: Keypair) -> None:
    """Register two neurons, let one rank the other, and take the first payouts out."""
    first, second = Keypair.create_from_uri("//first"), Keypair.create_from_uri("//second")
    uid = chain.register_by_work(first, coldkey.ss58_address)
    chain.register_by_work(second, coldkey.ss58_address)
    chain.execute(second, "set_weights", {"uids": [uid], "values": [1], "version_key": 0})
    wait_until(lambda: chain.account(coldkey.ss58_address).stake_rao > MINED_RAO, WAIT_SECONDS)
    stake = {"hotkey": first.ss58_address, "amount_rao": str(MINED_RAO - 10**8)}
    chain.execute(coldkey, "remove_stake", stake)
