"""Which Servers there are: from the chain and from themselves, no older than a few seconds."""

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
"""How old the list of neurons may be."""
INFO_SECONDS = 60.0
"""How old a Server's word about itself may be."""
MISSING_SECONDS = 15.0
"""How long a neuron that is no Server, or is down, is not asked again about itself."""
INFO_TIMEOUT_SECONDS = 1.0
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
    refreshed_at: float = float("-inf")
    refreshing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self, model: str, beginning: str | None = None) -> list[KnownServer]:
        """
        Return the Servers that may answer for a model, the first to ask in front.

        `beginning` names what the question begins with: who read it before is preferred.
        """
        await self.refresh()
        if model in NETWORK_MODELS:
            return self.ranked(by_speed=model == FAST, beginning=beginning)
        uid = model.removeprefix(SERVER_PREFIX)
        known = uid.isascii() and uid.isdigit() and len(uid) <= UID_DIGITS_MAX
        server = self.servers.get(int(uid)) if known else None
        # Prices go by the name, so each Server has one: 007 is none.
        if server is None or model != f"{SERVER_PREFIX}{server.uid}":
            raise ModelNotFound(model)
        return [server]

    def ranked(self, *, by_speed: bool, beginning: str | None) -> list[KnownServer]:
        if not self.servers:
            raise NoServerAvailable("no Server of the network answers now; try again shortly")
        known = [(uid, server.hotkey, server.incentive) for uid, server in self.servers.items()]
        uids = self.seen.rank(known, by_speed=by_speed, beginning=beginning)
        return [self.servers[uid] for uid in uids]

    async def refresh(self) -> None:
        """Look again where what is known is too old; with the chain down, what is known serves."""
        if time.monotonic() - self.refreshed_at < CHAIN_SECONDS:
            return
        async with self.refreshing:
            if time.monotonic() - self.refreshed_at < CHAIN_SECONDS:
                return
            try:
                neurons = (await self.chain.metagraph()).neurons
            except ChainRefusal as refusal:
                log.warning("the list of Servers is old", reason=refusal.message)
            else:
                await self.meet([neuron for neuron in neurons if self.is_worth_asking(neuron)])
            self.refreshed_at = time.monotonic()

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
