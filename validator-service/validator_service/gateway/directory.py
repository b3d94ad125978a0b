"""Which Servers there are: from the chain and from themselves, a few seconds old.

One silent neuron takes a second to ask, so calls don't wait for that: they are answered from what
is known, while one task looks again.
"""

import asyncio
import time
from dataclasses import dataclass, field

from chain_service.async_client import AsyncChainClient
from chain_service.client import ChainRefusal
from chain_service.schemas import Neuron
from server_service.client import Info, ServerAddress, ServerClient, ServerFailure
from taonet.kit.logging import get_logger
from validator_service.domain.addresses import ForbiddenAddress, check_dialable
from validator_service.gateway.errors import ModelNotFound, NoServerAvailable
from validator_service.gateway.observing import Observations

BEST = "network/best"
"""The Server with the highest incentive, as far as it is well and quick."""
FAST = "network/fast"
"""The quickest Server now."""
ENSEMBLE = "network/ensemble"
"""Several Servers, decoded together."""
NETWORK_MODELS = (BEST, FAST, ENSEMBLE)
SERVER_PREFIX = "server/"
CHAIN_SECONDS = 5.0
"""How old the list of neurons may be before one looks again."""
INFO_SECONDS = 60.0
"""How old a Server's word about itself may be."""
MISSING_SECONDS = 15.0
"""How long a neuron that is no Server, or is down, is not asked again about itself."""
INFO_TIMEOUT_SECONDS = 1.0
LOOK_SECONDS_MAX = 30.0
"""For a whole look: one that hangs must not be the last."""
QUIET_SECONDS = 60.0
"""After so long without a look, a call waits for one: too much may have changed."""
KEPT_SECONDS = 3600.0
"""How long the Servers are known without the chain. It tells whom answers are paid to."""
UID_DIGITS_MAX = 9

log = get_logger(__name__)


@dataclass(frozen=True)
class KnownServer:
    uid: int
    hotkey: str
    coldkey: str
    """Whom the answers are paid to."""
    name: str
    incentive: float
    address: ServerAddress
    info: Info


@dataclass
class Directory:
    chain: AsyncChainClient
    client: ServerClient
    own_hotkey: str
    private_allowed: bool
    servers: dict[int, KnownServer] = field(default_factory=dict)
    seen: Observations = field(default_factory=Observations)
    infos: dict[ServerAddress, tuple[Info | None, float]] = field(default_factory=dict)
    looking: "asyncio.Task[None] | None" = None
    """The look that is under way, or was the last."""
    looked_at: float = float("-inf")
    """When the last look ended, well or not."""
    met_at: float = float("-inf")
    """When one last ended well."""

    async def find(self, model: str, beginning: str | None = None) -> list[KnownServer]:
        """
        Return the Servers that may answer for a model, the first to ask in front.

        `beginning` names what the question begins with: who read it before is preferred.
        """
        await self.refresh(model)
        if model in NETWORK_MODELS:
            return self.ranked(by_speed=model == FAST, beginning=beginning)
        server = self.named(model)
        if server is None:
            raise ModelNotFound(model)
        return [server]

    def named(self, model: str) -> KnownServer | None:
        """Return the one Server that a model's name means."""
        uid = model.removeprefix(SERVER_PREFIX)
        known = uid.isascii() and uid.isdigit() and len(uid) <= UID_DIGITS_MAX
        server = self.servers.get(int(uid)) if known else None
        # Prices go by the name, so each Server has one: 007 is none.
        if server is None or model != f"{SERVER_PREFIX}{server.uid}":
            return None
        return server

    def ranked(self, *, by_speed: bool, beginning: str | None) -> list[KnownServer]:
        if not self.servers:
            raise NoServerAvailable("no Server of the network answers now; try again shortly")
        known = [(uid, server.hotkey, server.incentive) for uid, server in self.servers.items()]
        uids = self.seen.rank(known, by_speed=by_speed, beginning=beginning)
        return [self.servers[uid] for uid in uids]

    async def refresh(self, wanted: str = BEST) -> None:
        """
        Have somebody look again where what is known is too old, and go on with what is known.

        Only who wants what is not known, or comes after a quiet time, waits for the look.
        """
        age = time.monotonic() - self.looked_at
        if age >= CHAIN_SECONDS and (self.looking is None or self.looking.done()):
            self.looking = asyncio.create_task(self.look())
        is_known = bool(self.servers) if wanted in NETWORK_MODELS else self.named(wanted)
        if self.looking is not None and (age >= QUIET_SECONDS or not is_known):
            # The look goes on where its caller hangs up: others wait for it, too.
            await asyncio.wait({self.looking})

    async def look(self) -> None:
        """Ask the chain and the Servers; where the chain is down, what is known serves a while."""
        try:
            async with asyncio.timeout(LOOK_SECONDS_MAX):
                neurons = (await self.chain.metagraph()).neurons
                await self.meet([neuron for neuron in neurons if self.is_worth_asking(neuron)])
            self.met_at = time.monotonic()
        except ChainRefusal as refusal:
            log.warning("the list of Servers is old", reason=refusal.message)
        except Exception:
            log.exception("the list of Servers is old")
        self.looked_at = time.monotonic()
        if self.servers and self.looked_at - self.met_at > KEPT_SECONDS:
            log.error("the list of Servers is too old to be used", servers=len(self.servers))
            self.servers = {}

    async def close(self) -> None:
        """End the look under way."""
        if self.looking is not None:
            self.looking.cancel()
            await asyncio.wait({self.looking})

    def is_worth_asking(self, neuron: Neuron) -> bool:
        if neuron.axon is None or neuron.hotkey == self.own_hotkey:
            return False
        try:
            check_dialable(neuron.axon.ip, neuron.axon.port, private_allowed=self.private_allowed)
        except ForbiddenAddress:
            return False
        return True

    async def meet(self, neurons: list[Neuron]) -> None:
        known = await asyncio.gather(*(self.describe(neuron) for neuron in neurons))
        self.servers = {server.uid: server for server in known if server is not None}
        addresses = {server.address for server in self.servers.values()}
        hotkeys = {neuron.hotkey for neuron in neurons}
        self.seen.keep(hotkeys.__contains__)
        self.infos = {
            address: kept
            for address, kept in self.infos.items()
            if address in addresses or address.hotkey in hotkeys
        }

    async def describe(self, neuron: Neuron) -> KnownServer | None:
        assert neuron.axon is not None
        address = ServerAddress(neuron.hotkey, neuron.axon.ip, neuron.axon.port)
        info = await self.ask_info(address)
        if info is None or info.hotkey != neuron.hotkey:
            return None
        return KnownServer(
            uid=neuron.uid,
            hotkey=neuron.hotkey,
            coldkey=neuron.coldkey,
            name=neuron.name or info.name,
            incentive=neuron.incentive,
            address=address,
            info=info,
        )

    async def ask_info(self, address: ServerAddress) -> Info | None:
        """Return what a Server says of itself; None for a neuron that is none."""
        info, at = self.infos.get(address, (None, float("-inf")))
        if time.monotonic() - at < (MISSING_SECONDS if info is None else INFO_SECONDS):
            return info
        try:
            info = await self.client.info(address, timeout_seconds=INFO_TIMEOUT_SECONDS)
        except ServerFailure:
            info = None
        except Exception:
            # What nobody thought of must hide one neuron, and not all the others.
            log.exception("a neuron's word about itself is unreadable", hotkey=address.hotkey)
            info = None
        self.infos[address] = (info, time.monotonic())
        return info
