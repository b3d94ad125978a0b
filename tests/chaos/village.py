"""The users of one box: their purses, filled with what the network has mined, and what they do."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from tests.chaos.workload import Asker, Depositor, Doors, Payer, Trader, User, Withdrawer

from chain_service.client import ChainClient
from exchange_service.client import ExchangeClient
from taonet.kit.errors import Refusal
from taonet.kit.keys import Keypair, load_coldkey
from taonet.kit.money import RAO_PER_TAO
from taonet.local.home import Home
from taonet.local.secret_files import DEMO_KEY_FILE, load_secret
from validator_service.client import GatewayClient

PURSE_RAO = RAO_PER_TAO // 2
"""What the payer and the depositor begin with."""
FIRST_DEPOSIT_RAO = RAO_PER_TAO
"""What withdrawals are paid from, until deposits arrive."""
MINED_SECONDS = 240.0
FUNDED_SECONDS = 120.0
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Village:
    """Who lives here, and where what they send ends up."""

    payer: Payer
    asker: Asker
    trader: Trader
    depositor: Depositor
    withdrawer: Withdrawer
    receiver: str
    """Only the payer pays this address."""
    heir: str
    """Only the exchange pays this address."""

    @property
    def users(self) -> list[User]:
        return [self.payer, self.asker, self.trader, self.depositor, self.withdrawer]


def settle_village(home: Home, doors: Doors) -> Village:
    """Open accounts, fill the purses from mined money, and wait until all can pay."""
    payer, depositor = (Keypair.create_from_uri(f"//chaos/{name}") for name in ("payer", "saver"))
    receiver, heir = (
        Keypair.create_from_uri(f"//chaos/{name}").ss58_address for name in ("receiver", "heir")
    )
    with ExchangeClient(doors.exchange) as public:
        trading, saving = (public.create_key(name, funded=True) for name in ("trader", "saver"))
    saver = ExchangeClient(doors.exchange, saving.api_key, saving.secret)
    address = saver.deposit_address()
    purses = {
        payer.ss58_address: PURSE_RAO,
        depositor.ss58_address: PURSE_RAO,
        address: FIRST_DEPOSIT_RAO,
    }
    with ChainClient(doors.chain) as chain:
        operator = load_coldkey(str(home.wallets), "operator")
        for purse, amount_rao in purses.items():
            paid = partial(pay, chain, operator, purse, amount_rao)
            wait_for(f"{amount_rao} rao are mined", paid)
    wait_for("the first deposit", lambda: float(saver.balances()["TAO"][0]) > 0)
    wait_for("the demonstration account", lambda: has_money(home, doors))
    key = load_secret(home.secrets, DEMO_KEY_FILE)
    assert key is not None
    return Village(
        Payer(doors, payer, receiver),
        Asker(doors, key),
        Trader(doors, trading),
        Depositor(doors, depositor, address),
        Withdrawer(doors, saving, heir),
        receiver,
        heir,
    )


def pay(chain: ChainClient, operator: Keypair, receiver: str, amount_rao: int) -> bool:
    """Take mined stake back and send it on, in one extrinsic; False while too little is mined."""
    own = operator.ss58_address
    richest = max(
        (neuron for neuron in chain.metagraph().neurons if neuron.coldkey == own),
        key=lambda neuron: neuron.stake_rao,
    )
    wanted = amount_rao + RAO_PER_TAO // 100
    if richest.stake_rao < wanted:
        return False
    taken = {"hotkey": richest.hotkey, "amount_rao": str(wanted)}
    sent = {"receiver": receiver, "amount_rao": str(amount_rao)}
    calls = [
        {"call": "remove_stake", "arguments": taken},
        {"call": "transfer", "arguments": sent},
    ]
    chain.execute(operator, "batch", {"calls": calls})
    return True


def has_money(home: Home, doors: Doors) -> bool:
    key = load_secret(home.secrets, DEMO_KEY_FILE)
    if key is None:
        return False
    with GatewayClient(doors.gateway) as gateway:
        return gateway.account(key).balance_rao > 0


@contextmanager
def at_work(users: Sequence[User]) -> Iterator[None]:
    for user in users:
        user.start()
    try:
        yield
    finally:
        for user in users:
            user.stop()


def wait_for(what: str, probe: Callable[[], bool], seconds: float = MINED_SECONDS) -> None:
    """Ask again until it is so; what is refused is not so yet."""
    deadline = time.monotonic() + seconds
    reason = ""
    while True:
        try:
            if probe():
                return
        except Refusal as refusal:
            reason = f" ({refusal})"
        assert time.monotonic() < deadline, f"{seconds:.0f} s and still not: {what}{reason}"
        time.sleep(POLL_SECONDS)
