"""The supply's page: what was issued, what will be, and the 64 halvings between."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from chain_service.domain.parameters import ChainParameters, read_parameters
from chain_service.domain.supply import calculate_issuance
from chain_service.schemas import Parameters
from taonet.explorer.figures import ERA_BLOCKS, HALVINGS, SUPPLY_MAX_RAO, find_halving
from taonet.explorer.pages import TheNetwork, render_page

LIVE = {"difficulty", "burn_rao", "last_step_block"}
"""What `/parameters` tells besides the genesis parameters."""
POINTS_PER_ERA = 12
ERAS_DRAWN = 8
"""The line is flat to the eye from then on."""

router = APIRouter()


@dataclass(frozen=True)
class Era:
    """The blocks between two halvings."""

    number: int
    """How many halvings lie before it."""
    first_height: int
    reward_rao: float
    """What a block mints on average: below one rao from era 30 on."""
    issued_before_rao: int
    """All that is minted when it begins."""
    seconds_after_genesis: float

    @property
    def issued_percent(self) -> str:
        """Return the part of 21 million, rounded down: 100 % is never reached."""
        millionths = self.issued_before_rao * 100 * 10**6 // SUPPLY_MAX_RAO
        return f"{millionths // 10**6}.{millionths % 10**6:06d}"


@router.get("/supply", response_class=HTMLResponse, include_in_schema=False)
async def supply(request: Request, network: TheNetwork) -> Response:
    head = network.head
    return render_page(
        request,
        "supply.html",
        eras=list_eras(genesis_of(network.parameters)) if network.parameters else [],
        halving=find_halving(head.height, head.block_seconds) if head else None,
        supply_max_rao=SUPPLY_MAX_RAO,
        halvings=HALVINGS,
        genesis_ms=head.time_ms - int(head.height * head.block_seconds * 1000) if head else 0,
        era_now=max(head.height - 1, 0) // ERA_BLOCKS if head else 0,
    )


@router.get("/data/schedule", tags=["data"])
def schedule(network: TheNetwork) -> dict[str, Any]:
    """The whole schedule as a line: heights, and all TAO minted up to each."""
    if network.parameters is None:
        return {"heights": [], "issued_tao": []}
    genesis = genesis_of(network.parameters)
    step = ERA_BLOCKS // POINTS_PER_ERA
    heights = range(0, ERAS_DRAWN * ERA_BLOCKS + 1, step)
    return {
        "heights": list(heights),
        "issued_tao": [calculate_issuance(height, genesis) / 1e9 for height in heights],
    }


def genesis_of(parameters: Parameters) -> ChainParameters:
    """Return the genesis parameters, by which the chain itself mints."""
    told = parameters.model_dump(mode="json")
    return read_parameters({name: value for name, value in told.items() if name not in LIVE})


def list_eras(genesis: ChainParameters) -> list[Era]:
    """Return every era, the last one after the 64th halving."""
    block_seconds = genesis.block_milliseconds / 1000
    return [
        Era(
            number=number,
            first_height=number * genesis.blocks_per_era + 1,
            reward_rao=genesis.block_reward_rao / 2**number,
            issued_before_rao=calculate_issuance(number * genesis.blocks_per_era, genesis),
            seconds_after_genesis=number * genesis.blocks_per_era * block_seconds,
        )
        for number in range(genesis.halvings + 1)
    ]
