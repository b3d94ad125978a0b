"""
The network as last seen: one reader of the services, however many people look at the pages.

Three loops keep it true: one follows the chain block by block, one asks the exchange, one asks
each service whether it is ready. What does not answer is said so, and asked again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import httpx
from pydantic import ValidationError

from chain_service.client import ChainRefusal
from chain_service.events import Paid
from chain_service.history_client import HistoryClient
from chain_service.schemas import Block, Head, Metagraph, Neuron, Supply, WeightRow
from taonet.explorer.figures import Step
from taonet.explorer.market import ExchangeReader, Market
from taonet.explorer.metrics import SUPPLY_DIFFERENCE_RAO
from taonet.explorer.payouts import CELLS_MAX, STEPS_KEPT, Payouts
from taonet.explorer.schedule import Halving, Schedule, read_schedule
from taonet.explorer.settings import ExplorerSettings
from taonet.explorer.stream import Broadcast
from taonet.kit.logging import get_logger

PAYOUTS_PER_PAGE = 20
SERVICE_TIMEOUT_SECONDS = 5.0
KEPT = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=2.0)
"""Idle connections are let go before a service does: it closes them after 5 s, under a request."""
RETRY_SECONDS = 2.0

log = get_logger(__name__)


@dataclass(frozen=True)
class Health:
    """Whether a service answers, and what it says of itself."""

    name: str
    url: str
    state: Literal["ready", "not ready", "does not answer"]
    detail: str = ""
    version: str = ""


@dataclass(frozen=True)
class Audit:
    """Books that somebody keeps, compared with what they must agree with."""

    name: str
    source: str
    state: Literal["holds", "broken", "unknown"]
    detail: str


class Network:
    """What the pages show; read its attributes, run its loops."""

    def __init__(self, settings: ExplorerSettings) -> None:
        self.settings = settings
        self.chain = HistoryClient(settings.chain_url)
        self.http = httpx.AsyncClient(timeout=SERVICE_TIMEOUT_SECONDS, limits=KEPT)
        self.exchange_http = httpx.AsyncClient(
            base_url=settings.exchange_url, timeout=SERVICE_TIMEOUT_SECONDS, limits=KEPT
        )
        self.exchange = ExchangeReader(self.exchange_http)
        self.broadcast = Broadcast()
        self.schedule: Schedule | None = None
        self.head: Head | None = None
        self.supply: Supply | None = None
        self.metagraph: Metagraph | None = None
        self.market: Market | None = None
        self.health: list[Health] = []
        self.audits: list[Audit] = []
        self.payouts = Payouts()
        self._neurons: dict[int, Neuron] = {}
        self._neurons_of: Metagraph | None = None
        self._weights: list[WeightRow] | None = None
        self._told: tuple[Metagraph | None, Step | None, bytes] | None = None

    async def close(self) -> None:
        await self.chain.close()
        await self.http.aclose()
        await self.exchange_http.aclose()

    async def follow_chain(self) -> None:
        """Keep head, supply, neurons, steps and the last blocks, for ever."""
        while True:
            try:
                await self._look_at_chain()
                assert self.head is not None
                async for block in self.chain.blocks(from_height=self.head.height + 1):
                    await self._take_block(block)
            except (ChainRefusal, ValidationError) as error:
                log.warning("the chain could not be followed", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def watch_market(self) -> None:
        """Keep the market's prices, for ever."""
        while True:
            try:
                market = await self.exchange.market()
            except (httpx.HTTPError, ValueError, KeyError, ArithmeticError) as error:
                log.debug("the exchange could not be read", error=str(error))
                market = None
            if market != self.market:
                self.market = market
                self.broadcast.send("market")
            await asyncio.sleep(self.settings.explorer_poll_seconds)

    async def watch_health(self) -> None:
        """Keep what each service says of itself, for ever."""
        places = {
            "Chain": self.settings.chain_url,
            **self.settings.gateways(),
            "Exchange": self.settings.exchange_url,
        }
        while True:
            asked = [self._ask_health(name, url) for name, url in places.items()]
            health = list(await asyncio.gather(*asked))
            if health != self.health:
                self.health = health
                self.broadcast.send("health")
            await asyncio.sleep(self.settings.explorer_poll_seconds)

    @property
    def chain_health(self) -> Health | None:
        return next((health for health in self.health if health.name == "Chain"), None)

    @property
    def halving(self) -> Halving | None:
        """Return the next halving; none while the chain is unknown, and after the last."""
        if self.head is None or self.schedule is None:
            return None
        return self.schedule.find_halving(self.head.height, self.head.block_seconds)

    def neuron(self, uid: int) -> Neuron | None:
        """Return the neuron of a slot as last seen."""
        if self._neurons_of is not self.metagraph and self.metagraph is not None:
            self._neurons = {neuron.uid: neuron for neuron in self.metagraph.neurons}
            self._neurons_of = self.metagraph
        return self._neurons.get(uid)

    async def weights(self) -> list[WeightRow]:
        """Return how those with the most stake rate others, read again once any changed."""
        if (rows := self._weights) is None:
            rows = self._weights = await self.chain.weights()
        return rows

    def told_neurons(self, tell: Callable[["Network"], bytes]) -> bytes:
        """Return what `tell` makes of all neurons; it is called once for each change."""
        told = self._told
        if told is None or told[0] is not self.metagraph or told[1] is not self.payouts.last:
            told = self._told = (self.metagraph, self.payouts.last, tell(self))
        return told[2]

    async def _look_at_chain(self) -> None:
        self.schedule = read_schedule(await self.chain.parameters())
        self.metagraph = await self.chain.metagraph()
        self._weights = None
        self._take_supply(await self.chain.supply())
        head = await self.chain.head()
        await self._load_payouts(head.height)
        self.head = head
        self.broadcast.send("block", height=head.height)
        self.broadcast.send("step", height=head.height)

    async def _load_payouts(self, height: int) -> None:
        """Read the last steps again, from the newest back: a gap would be a wrong chart."""
        payouts, newest = Payouts(), height
        while newest > 0 and len(payouts.steps) < STEPS_KEPT and payouts.cells < CELLS_MAX:
            page = await self.chain.payouts(newest, PAYOUTS_PER_PAGE)
            for payout in page[: STEPS_KEPT - len(payouts.steps)]:
                payouts.prepend(payout)
            newest = page[-1].height - 1 if page else 0
        self.payouts = payouts

    async def _take_block(self, block: Block) -> None:
        assert self.head is not None
        if any(isinstance(event, Paid) for event in block.events):
            issuance_rao = (await self.chain.supply(at=block.height)).issuance_rao
            self.payouts.append(block, issuance_rao)
            self.broadcast.send("step", height=block.height)
        await self._take_head(block)

    async def _take_head(self, block: Block) -> None:
        assert self.head is not None
        if any(event.kind != "Transferred" for event in block.events):
            self.metagraph = await self.chain.metagraph()
            self._weights = None
        self._take_supply(await self.chain.supply())
        header = block.header
        self.head = self.head.model_copy(
            update={
                "height": header.height,
                "block_hash": header.block_hash,
                "time_ms": header.time_ms,
            }
        )
        self.broadcast.send("block", height=header.height)

    def _take_supply(self, supply: Supply) -> None:
        self.supply = supply
        accounted_rao = supply.free_rao + supply.stake_rao + supply.pot_rao
        SUPPLY_DIFFERENCE_RAO.set(supply.issuance_rao - accounted_rao)

    async def _ask_health(self, name: str, url: str) -> Health:
        try:
            alive = await self.http.get(f"{url}/healthz")
            response = await self.http.get(f"{url}/readyz")
        except httpx.HTTPError as error:
            return Health(name, url, "does not answer", type(error).__name__)
        version = read_field(alive, "version")
        if response.is_success:
            return Health(name, url, "ready", version=version)
        detail = read_field(response, "error", "message") or f"it answers {response.status_code}"
        return Health(name, url, "not ready", detail, version)


def read_field(response: httpx.Response, *path: str) -> str:
    """Return a field of a JSON answer as text; nothing where there is none."""
    try:
        found = response.json()
    except ValueError:
        return ""
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return "" if found is None else str(found)
