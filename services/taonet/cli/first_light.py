"""The very first start: waiting until the network has paid, and the demonstration can buy."""

import time
from collections.abc import Callable

from rich.console import Console

from chain_service.client import ChainClient
from taonet.cli.starting import progress_bar
from taonet.kit.errors import Refusal
from taonet.local.home import Home
from taonet.local.secret_files import DEMO_KEY_FILE, load_secret
from taonet.local.status import describe_addresses
from validator_service.client import GatewayClient

WAIT_SECONDS = 90.0
POLL_SECONDS = 0.5
MARKER = "first-light"
"""A file in the home that says that this has happened: later starts do not wait."""


def await_first_light(home: Home, console: Console) -> None:
    """Wait, showing progress, for the first payout and the demonstration account's money."""
    state = home.load_state()
    if state is None or (home.path / MARKER).exists():
        return
    addresses = describe_addresses(state.ports)
    waits: list[tuple[str, Callable[[], bool]]] = [
        ("neurons register, by work", lambda: neurons(addresses["chain"]) > 0),
        ("the first payout", lambda: has_paid(addresses["chain"])),
        ("the demonstration account", lambda: can_buy(home, addresses["gateway"])),
    ]
    deadline = time.monotonic() + WAIT_SECONDS
    with progress_bar(console) as bar:
        task = bar.add_task("first light", total=len(waits))
        for done, (what, happened) in enumerate(waits):
            bar.update(task, description=what, completed=done)
            while not _holds(happened):
                if time.monotonic() > deadline or not state.alive:
                    console.print(f"[yellow]still waiting for {what}[/]; `taonet status` tells")
                    return
                time.sleep(POLL_SECONDS)
        bar.update(task, completed=len(waits))
    (home.path / MARKER).touch()


def neurons(chain_url: str) -> int:
    with ChainClient(chain_url) as chain:
        return len(chain.metagraph().neurons)


def has_paid(chain_url: str) -> bool:
    with ChainClient(chain_url) as chain:
        return any(neuron.emission_rao > 0 for neuron in chain.metagraph().neurons)


def can_buy(home: Home, gateway_url: str) -> bool:
    key = load_secret(home.secrets, DEMO_KEY_FILE)
    if key is None:
        return False
    with GatewayClient(gateway_url) as gateway:
        return gateway.account(key).balance_rao > 0


def _holds(happened: Callable[[], bool]) -> bool:
    try:
        return happened()
    except Refusal:
        return False
