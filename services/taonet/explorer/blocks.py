"""The chain's pages: blocks, a block, an extrinsic, an account. Long lists come in pages."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from chain_service.client import ChainUnavailable
from chain_service.schemas import Address, EventLine, SignedLine
from taonet.explorer.describing import describe_fields
from taonet.explorer.network import Network
from taonet.explorer.pages import TheNetwork, render_page

BLOCKS_PER_PAGE = 25
LINES_PER_PAGE = 25
RECORDS_PER_PAGE = 100
"""Extrinsics, and events, on one page of a block."""
HEIGHT_MAX = 2**53 - 1

Height = Annotated[int, Query(ge=1, le=HEIGHT_MAX)]
Place = Annotated[str | None, Query(pattern="^[0-9]{1,16}-[0-9]{1,9}$")]
PageNumber = Annotated[int, Query(ge=1, le=10_000)]
HashInPath = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/blocks")
async def blocks(
    request: Request, network: TheNetwork, newest: Annotated[Height | None, Query()] = None
) -> Response:
    head_height = head_of(network)
    first = min(newest or head_height, head_height)
    rows = await network.chain.summaries(first, BLOCKS_PER_PAGE)
    return render_page(
        request, "blocks.html", rows=rows, newest=newest, first=first, per_page=BLOCKS_PER_PAGE
    )


@router.get("/blocks/{height}")
async def block(
    request: Request, network: TheNetwork, height: int, page: PageNumber = 1
) -> Response:
    found = await network.chain.block(height)
    [summary] = await network.chain.summaries(height, 1) if height else [None]
    start = (page - 1) * RECORDS_PER_PAGE
    longest = max(len(found.extrinsics), len(found.events))
    return render_page(
        request,
        "block.html",
        block=found,
        paid_rao=summary.paid_rao if summary else 0,
        extrinsics=found.extrinsics[start : start + RECORDS_PER_PAGE],
        events=found.events[start : start + RECORDS_PER_PAGE],
        page=page,
        page_count=max(1, -(-longest // RECORDS_PER_PAGE)),
        describe=describe_fields,
    )


@router.get("/extrinsics/{extrinsic_hash}")
async def extrinsic(request: Request, network: TheNetwork, extrinsic_hash: HashInPath) -> Response:
    found = await network.chain.extrinsic(extrinsic_hash)
    return render_page(request, "extrinsic.html", item=found, describe=describe_fields)


@router.get("/accounts/{address}")
async def account(
    request: Request,
    network: TheNetwork,
    address: Address,
    signed_before: Place = None,
    events_before: Place = None,
) -> Response:
    chain, more = network.chain, LINES_PER_PAGE + 1
    neurons = network.metagraph.neurons if network.metagraph else []
    signed = await chain.signed_by(address, signed_before, more)
    events = await chain.events_of(address, events_before, more)
    return render_page(
        request,
        "chain_account.html",
        account=await chain.account(address),
        stakes=await chain.stakes(address),
        held=[neuron for neuron in neurons if address in (neuron.hotkey, neuron.coldkey)],
        signed=signed[:LINES_PER_PAGE],
        events=events[:LINES_PER_PAGE],
        older=_older(signed, events, signed_before, events_before),
        on_first_page=signed_before is None and events_before is None,
        describe=describe_fields,
    )


def head_of(network: Network) -> int:
    """Return the newest height, or say that there is none to be had."""
    if network.head is None:
        raise ChainUnavailable(
            f"The chain at {network.settings.chain_url} has not answered yet. "
            "This page tries again by itself."
        )
    return network.head.height


def _older(
    signed: list[SignedLine],
    events: list[EventLine],
    signed_before: str | None,
    events_before: str | None,
) -> dict[str, dict[str, Any]]:
    """Return the query of each list's next page, where there is one; the other list stays."""
    stays = {"signed_before": signed_before, "events_before": events_before}
    stays = {name: place for name, place in stays.items() if place}
    older: dict[str, dict[str, Any]] = {}
    if len(signed) > LINES_PER_PAGE:
        last = signed[LINES_PER_PAGE - 1]
        older["signed"] = {**stays, "signed_before": f"{last.height}-{last.index}"}
    if len(events) > LINES_PER_PAGE:
        last_event = events[LINES_PER_PAGE - 1].event
        older["events"] = {**stays, "events_before": f"{last_event.height}-{last_event.index}"}
    return older
