"""
The operators' purse: moves what their neurons mined to where the cluster needs it.

It takes stake back from the Servers, never from the Validators, whose say it is. With that it gives
each Validator the least stake at which its word counts, and keeps two deposits filled: the
demonstration account's at the gateway and the market maker's at the exchange. It mints nothing.
Killed at any moment, it goes on from the chain's and its own notes.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chain_service.client import ChainClient, ChainRefusal, ChainUnavailable
from chain_service.schemas import Receipt
from exchange_service.client import ExchangeClient
from taonet.kit.errors import Refusal
from taonet.kit.keys import load_coldkey
from taonet.kit.logging import configure_logging, get_logger
from taonet.kit.metrics import serve_metrics
from taonet.kit.money import RAO_PER_TAO
from taonet.local.secret_files import DEMO_KEY_FILE, load_secret, save_secret
from taonet.local.settings import TreasurySettings
from validator_service.client import GatewayClient

DEMO_WALLET = "demo"
DEMO_FLOOR_RAO = 2 * RAO_PER_TAO
"""Below this the demonstration account is filled up."""
DEMO_TARGET_RAO = 4 * RAO_PER_TAO
MAKER_FLOOR_RAO = 50 * RAO_PER_TAO
MAKER_STEP_RAO = 3 * RAO_PER_TAO
"""How much the market maker is given at once, until it holds its floor."""
NEURON_STAKE_RAO = RAO_PER_TAO // 10
"""What every Server keeps, so that its stake is never nothing."""
FEE_RESERVE_RAO = RAO_PER_TAO // 100
"""What the purse keeps for the fees of its transfers."""
VALIDATORS = "validator"
"""How the names of the Validators' neurons begin."""
VALIDATOR_FLOOR_RAO = 4 * RAO_PER_TAO
VALIDATOR_TARGET_RAO = 5 * RAO_PER_TAO
PAUSE_SECONDS = 2.0
SETTLE_SECONDS = 40.0
"""How long a transfer may take to be credited before it is taken for lost and sent again."""

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
    serve_metrics(settings.metrics_listen)
    treasury = Treasury(settings)
    reasons: dict[str, str] = {}
    while True:
        for errand in (treasury.fill_demo, treasury.level_validators, treasury.fill_maker):
            reason = _try(errand)
            if reason and reason != reasons.get(errand.__name__):
                log.info("an errand waits", errand=errand.__name__, reason=reason)
            reasons[errand.__name__] = reason
        time.sleep(PAUSE_SECONDS)


def _try(errand: Callable[[], None]) -> str:
    """Run an errand; return why it could not be done, for it will be tried again."""
    try:
        errand()
    except Refusal as error:
        return str(error)
    return ""


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


def _remove_stake(hotkey: str, amount_rao: int) -> dict[str, Any]:
    arguments = {"hotkey": hotkey, "amount_rao": str(amount_rao)}
    return {"call": "remove_stake", "arguments": arguments}


class Treasury:
    """The purse: the operator's coldkey, and its errands: two deposits, the Validators' stake."""

    def __init__(self, settings: TreasurySettings) -> None:
        home = Path(settings.treasury_path).expanduser()
        self.secrets = home / "secrets"
        self.notes = Notes(home / "treasury.json")
        self.chain = ChainClient(settings.chain_url)
        self.gateway = GatewayClient(settings.gateway_url)
        self.exchange = ExchangeClient(settings.exchange_url)
        path, password = settings.wallet_path, settings.wallet_password
        self.purse = load_coldkey(path, settings.wallet_name, password)
        self.demo = load_coldkey(path, DEMO_WALLET, password)

    def fill_demo(self) -> None:
        account = self.gateway.account(self._demo_key())
        amount_rao = missing(account.balance_rao, DEMO_FLOOR_RAO, DEMO_TARGET_RAO)
        self._fill(Deposit("demo", account.deposit_address, account.balance_rao), amount_rao)

    def fill_maker(self) -> None:
        maker = self.exchange.market_maker()
        amount_rao = missing(maker.tao_rao, MAKER_FLOOR_RAO, maker.tao_rao + MAKER_STEP_RAO)
        self._fill(Deposit("market-maker", maker.deposit_address, maker.tao_rao), amount_rao)

    def level_validators(self) -> None:
        """
        Give each Validator the least stake at which its word counts.

        The first payout goes to those whose weights were there first; one that came a block
        later would have no stake, so no say, so no dividends, for ever.
        """
        for hotkey, stake_rao in self._stakes(of_validators=True).items():
            amount_rao = missing(stake_rao, VALIDATOR_FLOOR_RAO, VALIDATOR_TARGET_RAO)
            if amount_rao and self._can_pay(amount_rao):
                self._pay(amount_rao, "add_stake", hotkey=hotkey)
                log.info("gave stake", hotkey=hotkey, amount_rao=amount_rao)

    def _fill(self, deposit: Deposit, amount_rao: int) -> None:
        """Send what is missing, unless what was sent before may still be on its way."""
        notes = self.notes.load()
        sent = notes.get(deposit.name)
        if sent is not None:
            credited = deposit.balance_rao > sent["balance_rao"]
            if not credited and time.time() - sent["time"] < SETTLE_SECONDS:
                return
            self._forget(deposit.name)
        if amount_rao == 0 or not self._can_pay(amount_rao):
            return
        note = {"balance_rao": deposit.balance_rao, "time": time.time(), "amount_rao": amount_rao}
        self.notes.save({**self.notes.load(), deposit.name: note})
        try:
            receipt = self._pay(amount_rao, "transfer", receiver=deposit.address)
        except ChainUnavailable:  # It may be included yet.
            raise
        except ChainRefusal:
            self._forget(deposit.name)
            raise
        log.info("sent", to=deposit.name, amount_rao=amount_rao, height=receipt.height)

    def _forget(self, name: str) -> None:
        self.notes.save({other: note for other, note in self.notes.load().items() if other != name})

    def _can_pay(self, amount_rao: int) -> bool:
        return self._plan(amount_rao) is not None

    def _plan(self, amount_rao: int) -> dict[str, int] | None:
        """Return the stake to take back before the purse can pay; None while it is too little."""
        wanted = amount_rao + FEE_RESERVE_RAO
        lacking = max(wanted - self.chain.account(self.purse.ss58_address).free_rao, 0)
        plan = plan_withdrawals(self._stakes(of_validators=False), lacking)
        return plan if sum(plan.values()) == lacking else None

    def _pay(self, amount_rao: int, call: str, **arguments: str) -> Receipt:
        """Take back the stake that is needed, in one extrinsic that costs no fee; then pay."""
        plan = self._plan(amount_rao)
        assert plan is not None
        if plan:
            calls = [_remove_stake(hotkey, taken_rao) for hotkey, taken_rao in plan.items()]
            self.chain.execute(self.purse, "batch", {"calls": calls})
        return self.chain.execute(self.purse, call, {**arguments, "amount_rao": amount_rao})

    def _stakes(self, of_validators: bool) -> dict[str, int]:
        """Return the stake of each neuron of ours that is, or is not, a Validator."""
        own = self.purse.ss58_address
        return {
            neuron.hotkey: neuron.stake_rao
            for neuron in self.chain.metagraph().neurons
            if neuron.coldkey == own and neuron.name.startswith(VALIDATORS) == of_validators
        }

    def _demo_key(self) -> str:
        """Return the demonstration account's API key, made at the gateway the first time."""
        known = load_secret(self.secrets, DEMO_KEY_FILE)
        if known is not None:
            return known
        made = self.gateway.create_key(self.demo).api_key
        save_secret(self.secrets, DEMO_KEY_FILE, made)
        return made


if __name__ == "__main__":
    main()
