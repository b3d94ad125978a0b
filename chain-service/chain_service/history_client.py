"""The chain's client with its past: what an explorer asks, the newest first and in pages."""

from typing import Any

from chain_service.async_client import AsyncChainClient
from chain_service.schemas import (
    BlockSummary,
    EventLine,
    Payout,
    PlacedExtrinsic,
    SignedLine,
    StakeLine,
    WeightRow,
)


class HistoryClient(AsyncChainClient):
    """`before` is a place, height-index, and means what lies before it."""

    async def summaries(self, newest: int, limit: int) -> list[BlockSummary]:
        """Return blocks at a glance, from a height down."""
        told = await self._get("/headers", {"to": newest, "limit": limit})
        return [BlockSummary.model_validate(one) for one in told]

    async def find_block(self, block_hash: str) -> BlockSummary:
        return BlockSummary.model_validate(await self._get(f"/headers/{block_hash}"))

    async def extrinsic(self, extrinsic_hash: str) -> PlacedExtrinsic:
        """Return an extrinsic as it was signed, where it stands, and what it caused."""
        told = await self._get(f"/extrinsics/{extrinsic_hash}/whole")
        return PlacedExtrinsic.model_validate(told)

    async def signed_by(self, address: str, before: str | None, limit: int) -> list[SignedLine]:
        told = await self._get(f"/accounts/{address}/extrinsics", _page(before, limit))
        return [SignedLine.model_validate(one) for one in told]

    async def events_of(self, address: str, before: str | None, limit: int) -> list[EventLine]:
        """Return what came to an account, and what its stake and neurons met with."""
        told = await self._get(f"/accounts/{address}/events", _page(before, limit))
        return [EventLine.model_validate(one) for one in told]

    async def stakes(self, coldkey: str) -> list[StakeLine]:
        told = await self._get(f"/accounts/{coldkey}/stakes")
        return [StakeLine.model_validate(one) for one in told]

    async def weights(self) -> list[WeightRow]:
        """Return how those rate others that have the most stake."""
        return [WeightRow.model_validate(one) for one in await self._get("/weights")]

    async def payouts(self, newest: int, limit: int) -> list[Payout]:
        """Return the steps that paid, from a height down."""
        told = await self._get("/payouts", {"to": newest, "limit": limit})
        return [Payout.model_validate(one) for one in told]


def _page(before: str | None, limit: int) -> dict[str, Any]:
    return {"limit": limit} if before is None else {"limit": limit, "before": before}
