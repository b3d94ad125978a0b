"""
The network as last seen: one reader of the services, however many people look at the pages.

Three loops keep it true: one follows the chain block by block, one asks the exchange, one asks
each service whether it is ready. What does not answer is said so, and asked again.
"""

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Literal

import httpx
from pydantic import ValidationError

from chain_service.client import AsyncChainClient, ChainRefusal
from chain_service.schemas import Block, Head, Metagraph, Parameters, Supply
from taonet.explorer.figures import BlockSummary, Step, summarise_block
from taonet.explorer.market import ExchangeReader, Market
from taonet.explorer.metrics import SUPPLY_DIFFERENCE_RAO
from taonet.explorer.settings import ExplorerSettings
from taonet.explorer.stream import Broadcast
from taonet.kit.logging import get_logger

STEPS_KEPT = 720
SERVICE_TIMEOUT_SECONDS = 5.0
RETRY_SECONDS = 2.0

log = get_logger(__name__)


@dataclass(frozen=True)
class Health:
    """Whether a service answers, and what it says of itself."""

    name: str
    url: str
    state: Literal["ready", "not ready", "does not answer"]
    detail: str = ""


class Network:
    """What the pages show; read its attributes, run its loops."""

    def __init__(self, settings: ExplorerSettings) -> None:
        self.settings = settings
        self.chain = AsyncChainClient(settings.chain_url)
        self.http = httpx.AsyncClient(timeout=SERVICE_TIMEOUT_SECONDS)
        self.exchange_http = httpx.AsyncClient(
            base_url=settings.exchange_url, timeout=SERVICE_TIMEOUT_SECONDS
        )
        self.exchange = ExchangeReader(self.exchange_http)
        self.broadcast = Broadcast()
        self.parameters: Parameters | None = None
        self.head: Head | None = None
        self.supply: Supply | None = None
        self.metagraph: Metagraph | None = None
        self.market: Market | None = None
        self.health: list[Health] = []
        self.steps: deque[Step] = deque(maxlen=STEPS_KEPT)
        self.blocks: OrderedDict[int, BlockSummary] = OrderedDict()

    async def close(self) -> None:
        await self.chain.close()
        await self.http.aclose()
        await self.exchange_http.aclose()

    async def follow_chain(self) -> None:
        """Keep head, supply, neurons, steps and the last blocks, for ever."""
        while True:
            try:
                await self._look_at_chain()
                async for block in self.chain.blocks(from_height=self._following_height()):
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
            "Gateway": self.settings.gateway_url,
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

    async def summarise(self, height: int) -> BlockSummary:
        """Return a block's summary, from memory if it is recent."""
        return self.blocks.get(height) or summarise_block(await self.chain.block(height))

    async def _look_at_chain(self) -> None:
        self.parameters = await self.chain.parameters()
        self.metagraph = await self.chain.metagraph()
        self._take_supply(await self.chain.supply())
        self.head = await self.chain.head()
        self.broadcast.send("block", height=self.head.height)

    def _following_height(self) -> int:
        """Return where to begin: after the last block taken, or a chart's width back."""
        assert self.head is not None
        if self.blocks:
            return next(reversed(self.blocks)) + 1
        return max(1, self.head.height - self.settings.explorer_blocks_shown)

    async def _take_block(self, block: Block) -> None:
        assert self.head is not None
        summary = summarise_block(block)
        self.blocks[block.height] = summary
        if len(self.blocks) > self.settings.explorer_blocks_shown:
            self.blocks.popitem(last=False)
        if summary.paid_rao:
            await self._take_step(summary)
        if block.height > self.head.height:
            await self._take_head(block)

    async def _take_step(self, summary: BlockSummary) -> None:
        issuance_rao = (await self.chain.supply(at=summary.height)).issuance_rao
        step = Step(summary.height, summary.time_ms, summary.paid_rao, issuance_rao)
        self.steps.append(step)
        self.broadcast.send("step", height=step.height)

    async def _take_head(self, block: Block) -> None:
        assert self.head is not None
        if block.events:
            self.metagraph = await self.chain.metagraph()
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
            response = await self.http.get(f"{url}/readyz")
        except httpx.HTTPError as error:
            return Health(name, url, "does not answer", type(error).__name__)
        if response.is_success:
            return Health(name, url, "ready")
        return Health(name, url, "not ready", f"it answers {response.status_code}")
