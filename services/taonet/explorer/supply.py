"""The supply's page: what was issued, what will be, and the halvings between."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from taonet.explorer.pages import TheNetwork, render_page
from taonet.kit.money import RAO_PER_TAO

POINTS_PER_ERA = 12
ERAS_DRAWN = 8
"""The line is flat to the eye from then on."""

router = APIRouter()


@router.get("/supply", response_class=HTMLResponse, include_in_schema=False)
async def supply(request: Request, network: TheNetwork) -> Response:
    head = network.head
    return render_page(
        request,
        "supply.html",
        genesis_ms=head.time_ms - int(head.height * head.block_seconds * 1000) if head else 0,
    )


@router.get("/data/schedule", tags=["data"])
def schedule(network: TheNetwork) -> dict[str, Any]:
    """The whole schedule as a line: heights, and all TAO minted up to each."""
    if (known := network.schedule) is None:
        return {"heights": [], "issued_tao": []}
    era = known.genesis.blocks_per_era
    step = max(era // POINTS_PER_ERA, 1)
    heights = range(0, ERAS_DRAWN * era + 1, step)
    return {
        "heights": list(heights),
        "issued_tao": [known.issued(height) / RAO_PER_TAO for height in heights],
    }
