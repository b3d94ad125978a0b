"""Neurons that misbehave on purpose, beside a cluster that runs: real Servers, real Validators."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from chain_service.client import ChainClient, ChainRefusal
from taonet.kit.keys import Keypair, ensure_wallet, load_hotkey

STOP_SECONDS = 15.0
EPOCH_POLL_SECONDS = 0.5
U32_MAXIMUM = 2**32 - 1
HOTKEY = "default"

Ranking = dict[int, int]


@dataclass(frozen=True)
class Grounds:
    """Where the attack takes place."""

    chain_url: str
    redis_url: str
    corpus: Path
    wallets: Path
    logs: Path
    run: str
    """Sets the wallets of this attack apart from those of others."""


@dataclass(frozen=True)
class Attacker:
    """A neuron of the attack."""

    name: str
    behaviour: str
    hotkey: str


def new_run() -> str:
    return secrets.token_hex(2)


def make_attacker(grounds: Grounds, name: str, behaviour: str) -> Attacker:
    wallet = f"{name}-{grounds.run}"
    ensure_wallet(grounds.wallets, wallet, [HOTKEY])
    keypair = load_hotkey(str(grounds.wallets), wallet, HOTKEY)
    return Attacker(wallet, behaviour, keypair.ss58_address)


@contextmanager
def serving(grounds: Grounds, attackers: Sequence[Attacker], model: Path) -> Iterator[None]:
    """Run a real Server for each attacker, for the time of a block."""
    with ExitStack() as stack:
        for attacker in attackers:
            log_file = stack.enter_context((grounds.logs / f"{attacker.name}.log").open("ab"))
            environment = {
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "TAONET_CHAIN_URL": grounds.chain_url,
                "TAONET_REDIS_URL": grounds.redis_url,
                "TAONET_CORPUS_PATH": str(grounds.corpus),
                "TAONET_WALLET_PATH": str(grounds.wallets),
                "TAONET_WALLET_NAME": attacker.name,
                "TAONET_HOTKEY_NAME": HOTKEY,
                "TAONET_SERVER_NAME": attacker.name,
                "TAONET_SERVER_MODEL": str(model),
                "TAONET_SERVER_AXON_PORT": str(free_port()),
                "TAONET_SERVER_BEHAVIOUR": attacker.behaviour,
            }
            process = subprocess.Popen(
                [sys.executable, "-m", "taonet.cli.main", "server", "run"],
                env=environment,
                stdout=log_file,
                stderr=log_file,
                start_new_session=True,
            )
            stack.callback(stop, process)
        yield


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def ranking(
    grounds: Grounds, attacker: Attacker, choose: Callable[[ChainClient], Ranking]
) -> Iterator[None]:
    """Have an attacker set weights of its own choice each epoch, for the time of a block."""
    ending = threading.Event()
    keypair = load_hotkey(str(grounds.wallets), attacker.name, HOTKEY)
    thread = threading.Thread(
        target=keep_ranking, args=(grounds, keypair, choose, ending), daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join(timeout=STOP_SECONDS)


def keep_ranking(
    grounds: Grounds,
    keypair: Keypair,
    choose: Callable[[ChainClient], Ranking],
    ending: threading.Event,
) -> None:
    with ChainClient(grounds.chain_url) as chain:
        chain.register_by_work(keypair, keypair.ss58_address)
        last_step = -1
        while not ending.wait(EPOCH_POLL_SECONDS):
            try:
                step = chain.parameters().last_step_block
                if step != last_step and (chosen := choose(chain)):
                    set_at_once(chain, keypair, chosen)
                    last_step = step
            except ChainRefusal:
                continue  # Too early, most likely: the next look tries again.


def set_at_once(chain: ChainClient, keypair: Keypair, chosen: Ranking) -> None:
    """An attacker gains nothing by hiding its weights."""
    arguments = {"uids": list(chosen), "values": list(chosen.values()), "version_key": 1}
    chain.execute(keypair, "set_weights", arguments)


def copy_of(hotkey: str) -> Callable[[ChainClient], Ranking]:
    """Choose what another Validator shows."""

    def choose(chain: ChainClient) -> Ranking:
        known = chain.metagraph().find(hotkey)
        shown = chain.neuron(known.uid).weights if known else None
        return dict(shown or ())

    return choose


def favour(friend: str, own: str) -> Callable[[ChainClient], Ranking]:
    """Choose a friend alone, as high as the chain allows; the rest stays with oneself."""

    def choose(chain: ChainClient) -> Ranking:
        metagraph, limit = chain.metagraph(), chain.parameters().max_weight_limit_u32
        known, me = metagraph.find(friend), metagraph.find(own)
        if known is None or me is None:
            return {}
        return {known.uid: limit, me.uid: U32_MAXIMUM - limit}

    return choose
