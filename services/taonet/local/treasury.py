"""
The operators' purse: moves what their neurons mined to where the cluster needs it.

It takes stake back from the Servers, never from the Validators, whose say it is, and keeps two
deposits filled: the demonstration account's at the gateway and the market maker's at the
exchange. It mints nothing. Killed at any moment, it goes on from the chain's and its own notes.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from chain_service.client import ChainClient
from taonet.kit.errors import Refusal, Unavailable
from taonet.kit.keys import load_coldkey
from taonet.kit.logging import configure_logging, get_logger
from taonet.kit.money import RAO_PER_TAO
from taonet.kit.signing import sign_request
from taonet.local.secret_files import load_secret, save_secret
from taonet.local.settings import TreasurySettings

DEMO_WALLET = "demo"
DEMO_KEY_FILE = "demo-api-key"
DEMO_FLOOR_RAO = 2 * RAO_PER_TAO
"""Below this the demonstration account is filled up."""
DEMO_TARGET_RAO = 4 * RAO_PER_TAO
MAKER_FLOOR_RAO = 50 * RAO_PER_TAO
MAKER_STEP_RAO = 10 * RAO_PER_TAO
"""How much the market maker is given at once, until it holds its floor."""
NEURON_STAKE_RAO = RAO_PER_TAO // 10
"""What every Server keeps, so that its stake is never nothing."""
FEE_RESERVE_RAO = RAO_PER_TAO // 100
"""What the purse keeps for the fees of its transfers."""
PAUSE_SECONDS = 2.0
SETTLE_SECONDS = 40.0
"""How long a transfer may take to be credited before it is taken for lost and sent again."""
ANSWER_SECONDS = 5.0

log = get_logger(__name__)


@dataclass(frozen=True)
class Deposit:
    """A balance somewhere that a transfer to an address of its own fills."""

    name: str
    address: str
    balance_rao: int


@dataclass(frozen=True)
class Notes:
    """What was sent and not yet seen credited: written before the sending, kept through a kill."""

    file: Path

    def load(self) -> dict[str, Any]:
        notes: dict[str, Any] = json.loads(self.file.read_text()) if self.file.exists() else {}
        return notes

    def save(self, notes: dict[str, Any]) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps(notes))
        fresh.replace(self.file)


def main() -> None:
    settings = TreasurySettings()
    configure_logging("treasury", settings.log_level)
    treasury = Treasury(settings)
    while True:
        for errand in (treasury.fill_demo, treasury.fill_maker):
            _try(errand)
        threading.Event().wait(PAUSE_SECONDS)


def _try(errand: Callable[[], None]) -> None:
    try:
        errand()
    except (Refusal, httpx.HTTPError) as error:
        log.info("an errand waits", errand=errand.__name__, reason=str(error))


def missing(balance_rao: int, floor_rao: int, target_rao: int) -> int:
    """Return how much to send: nothing at or above the floor, else what reaches the target."""
    return 0 if balance_rao >= floor_rao else target_rao - balance_rao


def plan_withdrawals(stakes: dict[str, int], wanted_rao: int) -> dict[str, int]:
    """
    Return what to take from each hotkey's stake, so that together it is at most what is wanted.

    The richest gives first, and each keeps NEURON_STAKE_RAO.
    """
    plan: dict[str, int] = {}
    for hotkey, stake_rao in sorted(stakes.items(), key=lambda item: (-item[1], item[0])):
        taken = min(stake_rao - NEURON_STAKE_RAO, wanted_rao - sum(plan.values()))
        if taken > 0:
            plan[hotkey] = taken
    return plan


class Treasury:
    """The purse: the operator's coldkey, and the two deposits it looks after."""

    def __init__(self, settings: TreasurySettings) -> None:
        home = Path(settings.treasury_path).expanduser()
        self.settings = settings
        self.secrets = home / "secrets"
        self.notes = Notes(home / "treasury.json")
        self.chain = ChainClient(settings.chain_url)
        self.http = httpx.Client(timeout=ANSWER_SECONDS)
        self.purse = load_coldkey(settings.wallet_path, settings.wallet_name)
        self.demo = load_coldkey(settings.wallet_path, DEMO_WALLET)

    def fill_demo(self) -> None:
        account = self._ask_gateway(self._demo_key())
        balance_rao = int(account["balance_rao"])
        deposit = Deposit("demo", account["deposit_address"], balance_rao)
        self._fill(deposit, missing(balance_rao, DEMO_FLOOR_RAO, DEMO_TARGET_RAO))

    def fill_maker(self) -> None:
        answer = self.http.get(f"{self.settings.exchange_url}/exchange/v1/market-maker")
        maker = _read(answer)
        balance_rao = int(maker["balance_rao"])
        deposit = Deposit("market-maker", maker["deposit_address"], balance_rao)
        step = MAKER_STEP_RAO + balance_rao
        self._fill(deposit, missing(balance_rao, MAKER_FLOOR_RAO, step))

    def _fill(self, deposit: Deposit, amount_rao: int) -> None:
        """Send what is missing, unless what was sent before may still be on its way."""
        notes = self.notes.load()
        sent = notes.get(deposit.name)
        if sent is not None:
            credited = deposit.balance_rao > sent["balance_rao"]
            if not credited and time.time() - sent["time"] < SETTLE_SECONDS:
                return
            self.notes.save({name: note for name, note in notes.items() if name != deposit.name})
        if amount_rao == 0 or not self._gather(amount_rao):
            return
        note = {"balance_rao": deposit.balance_rao, "time": time.time(), "amount_rao": amount_rao}
        self.notes.save({**self.notes.load(), deposit.name: note})
        transfer = {"receiver": deposit.address, "amount_rao": amount_rao}
        receipt = self.chain.execute(self.purse, "transfer", transfer)
        log.info("sent", to=deposit.name, amount_rao=amount_rao, height=receipt.height)

    def _gather(self, amount_rao: int) -> bool:
        """Take back so much stake that the purse can pay; return whether it can now."""
        wanted = amount_rao + FEE_RESERVE_RAO
        free_rao = self.chain.account(self.purse.ss58_address).free_rao
        if free_rao >= wanted:
            return True
        plan = plan_withdrawals(self._server_stakes(), wanted - free_rao)
        if sum(plan.values()) < wanted - free_rao:
            return False
        for hotkey, taken_rao in plan.items():
            arguments = {"hotkey": hotkey, "amount_rao": taken_rao}
            self.chain.execute(self.purse, "remove_stake", arguments)
            log.info("took stake back", hotkey=hotkey, amount_rao=taken_rao)
        return True

    def _server_stakes(self) -> dict[str, int]:
        own = self.purse.ss58_address
        return {
            neuron.hotkey: neuron.stake_rao
            for neuron in self.chain.metagraph().neurons
            if neuron.coldkey == own and not neuron.name.startswith("validator")
        }

    def _demo_key(self) -> str:
        known = load_secret(self.secrets, DEMO_KEY_FILE)
        if known is not None:
            return known
        made: str = self._order_key()["api_key"]
        save_secret(self.secrets, DEMO_KEY_FILE, made)
        return made

    def _order_key(self) -> dict[str, Any]:
        """Ask the gateway for an API key, as the demonstration account's owner would."""
        path, body = "/v1/keys", b"{}"
        headers = sign_request(self.demo, "POST", path, body, self._gateway_hotkey())
        headers["content-type"] = "application/json"
        return _read(
            self.http.post(f"{self.settings.gateway_url}{path}", content=body, headers=headers)
        )

    def _gateway_hotkey(self) -> str:
        raise NotImplementedError

    def _ask_gateway(self, api_key: str) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {api_key}"}
        return _read(self.http.get(f"{self.settings.gateway_url}/v1/account", headers=headers))


def _read(response: httpx.Response) -> dict[str, Any]:
    if response.is_error:
        raise Unavailable(f"{response.url} answered {response.status_code}: {response.text[:200]}")
    body: dict[str, Any] = response.json()
    return body


if __name__ == "__main__":
    main()
