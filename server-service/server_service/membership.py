"""A Server's standing on the chain: it joins, says where it listens, and does so again in time.

Two threads, both owned by the application's lifespan. `ChainWatch` keeps the newest metagraph,
and the last one while the chain does not answer. `Membership` registers and announces.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from prometheus_client import Gauge

from chain_service.schemas import Metagraph, Neuron, Parameters, Receipt
from server_service.domain.admission import Callers
from server_service.domain.membership import Announcement, Step, decide_step
from taonet.kit.keys import Keypair
from taonet.kit.logging import get_logger
from taonet.kit.names import Hotkey

REFRESH_SECONDS = 3.0
RETRY_SECONDS_FIRST = 1.0
RETRY_SECONDS_MAX = 30.0
STOP_SECONDS = 5.0

log = get_logger(__name__)

CHAIN_AGE = Gauge(
    "taonet_server_metagraph_age_seconds", "Since the metagraph was last read from the chain."
)


class Chain(Protocol):
    """What a Server needs of `chain_service.client.ChainClient`."""

    def metagraph(self) -> Metagraph: ...
    def parameters(self) -> Parameters: ...
    def execute(self, keypair: Keypair, call: str, arguments: dict[str, object]) -> Receipt: ...
    def register_by_work(
        self,
        hotkey_keypair: Keypair,
        coldkey_ss58: str,
        progress: Callable[[int], None] | None = None,
    ) -> int: ...


class ForeignTokenizer(Exception):
    """
    The network's tokenizer as this Server was given it is not the one that the network fixes.

    A model may have any tokenizer of its own; but the ids in Validators' questions would mean other
    text here.
    """


class Stopped(Exception):
    """The process ends while the work of registering is going on."""


class Loop(ABC):
    """A thread that does one thing again and again, more rarely while it fails."""

    def __init__(self, name: str, pause_seconds: float) -> None:
        self._name = name
        self._pause_seconds = pause_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    @abstractmethod
    def turn(self) -> None:
        """Do the one thing once."""

    def _run(self) -> None:
        retry_seconds = RETRY_SECONDS_FIRST
        while not self._stopping.is_set():
            try:
                self.turn()
                pause, retry_seconds = self._pause_seconds, RETRY_SECONDS_FIRST
            except Stopped:
                return
            # Whatever the chain says or does not say, a Server goes on serving.
            except Exception as error:
                log.warning(f"{self._name} failed; trying again", reason=str(error))
                pause, retry_seconds = retry_seconds, min(2 * retry_seconds, RETRY_SECONDS_MAX)
            self._stopping.wait(pause)


class ChainWatch(Loop):
    def __init__(self, chain: Chain, pause_seconds: float = REFRESH_SECONDS) -> None:
        super().__init__("reading the metagraph", pause_seconds)
        self._chain = chain
        self._seen_seconds = 0.0
        self.metagraph: Metagraph | None = None
        self.callers: Callers | None = None
        CHAIN_AGE.set_function(lambda: time.monotonic() - self._seen_seconds)

    def turn(self) -> None:
        metagraph = self._chain.metagraph()
        stakes = {Hotkey(neuron.hotkey): neuron.stake_rao for neuron in metagraph.neurons}
        self.metagraph, self.callers = metagraph, Callers(metagraph.height, stakes)
        self._seen_seconds = time.monotonic()

    def describe_problem(self) -> str | None:
        """Without any metagraph nobody can be admitted; with an old one, those it knows can."""
        return None if self.callers else "the chain was not reached yet"


class Membership(Loop):
    def __init__(
        self,
        chain: Chain,
        watch: ChainWatch,
        hotkey: Keypair,
        coldkey_ss58: str,
        wanted: Announcement,
        tokenizer_sha256: str,
        heartbeat_blocks: int,
        pause_seconds: float = 1.0,
    ) -> None:
        super().__init__("joining the network", pause_seconds)
        self._chain = chain
        self._watch = watch
        self._hotkey = hotkey
        self._coldkey_ss58 = coldkey_ss58
        self._wanted = wanted
        self._tokenizer_sha256 = tokenizer_sha256
        self._heartbeat_blocks = heartbeat_blocks
        self._acted_height: int | None = None
        self._announced_height: int | None = None

    def turn(self) -> None:
        metagraph = self._watch.metagraph
        # What this Server did itself shows in later blocks only.
        if metagraph is None or metagraph.height <= (self._acted_height or -1):
            return
        neuron = metagraph.find(self._hotkey.ss58_address)
        match self._decide(metagraph.height, neuron):
            case Step.REGISTER:
                self._register()
            case Step.ANNOUNCE:
                self._announce()
            case Step.REST:
                pass

    def _decide(self, height: int, neuron: Neuron | None) -> Step:
        axon = neuron.axon if neuron else None
        announced = Announcement(axon.ip, axon.port, neuron.name) if neuron and axon else None
        since = None if self._announced_height is None else height - self._announced_height
        return decide_step(
            registered=neuron is not None,
            announced=announced,
            wanted=self._wanted,
            blocks_since_announced=since,
            heartbeat_blocks=self._heartbeat_blocks,
        )

    def _register(self) -> None:
        self._check_tokenizer()
        log.info("registering by work", hotkey=self._hotkey.ss58_address)
        uid = self._chain.register_by_work(self._hotkey, self._coldkey_ss58, self._tell_progress)
        self._watch.turn()
        log.info("registered", uid=uid)

    def _tell_progress(self, tried: int) -> None:
        if self._stopping.is_set():
            raise Stopped
        log.info("working to register", hashes_tried=tried)

    def _check_tokenizer(self) -> None:
        fixed = (self._chain.parameters().model_extra or {}).get("tokenizer_sha256")
        if fixed and fixed != self._tokenizer_sha256:
            raise ForeignTokenizer(
                f"this Server was given {self._tokenizer_sha256} as the network's tokenizer, "
                f"but the network's is {fixed}; name its file in TAONET_SERVER_NETWORK_TOKENIZER"
            )

    def _announce(self) -> None:
        self._check_tokenizer()
        place = self._wanted
        receipt = self._chain.execute(
            self._hotkey,
            "serve_axon",
            {"ip": place.ip, "port": place.port, "name": place.name},
        )
        self._acted_height = self._announced_height = receipt.height
        log.info("announced", ip=place.ip, port=place.port, name=place.name, height=receipt.height)
