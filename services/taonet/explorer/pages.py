"""The pages that people read, each made by the server; the browser keeps them fresh."""

import asyncio
import time
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException

from chain_service.client import ChainUnavailable
from taonet.explorer.figures import (
    SUPPLY_MAX_RAO,
    SortKey,
    find_halving,
    role_of,
    sort_neurons,
    split_emission,
    summarise_block,
)
from taonet.explorer.network import Network
from taonet.kit.errors import Refusal
from taonet.kit.metrics import REFUSALS
from taonet.kit.money import format_tao

NEURONS_ON_HOME = 12
NEURONS_PER_PAGE = 256
BLOCKS_PER_PAGE = 25
EXTRINSICS_SHOWN = 200
EVENTS_SHOWN = 500
HEIGHT_MAX = 2**53 - 1

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def get_network(request: Request) -> Network:
    network: Network = request.app.state.network
    return network


TheNetwork = Annotated[Network, Depends(get_network)]
Height = Annotated[int, Query(ge=1, le=HEIGHT_MAX)]


@router.get("/")
def home(request: Request, network: TheNetwork) -> Response:
    metagraph = network.metagraph
    neurons = sort_neurons(metagraph.neurons, "emission") if metagraph else []
    head = network.head
    return render_page(
        request,
        "home.html",
        neurons=neurons[:NEURONS_ON_HOME],
        neuron_count=len(neurons),
        split=split_emission(neurons),
        halving=find_halving(head.height, head.block_seconds) if head else None,
        supply_max_rao=SUPPLY_MAX_RAO,
        last_step=network.steps[-1] if network.steps else None,
    )


@router.get("/blocks")
async def blocks(
    request: Request, network: TheNetwork, newest: Annotated[Height | None, Query()] = None
) -> Response:
    head_height = _head_height(network)
    first = min(newest or head_height, head_height)
    last = max(first - BLOCKS_PER_PAGE, 0)
    rows = await asyncio.gather(*(network.summarise(n) for n in range(first, last, -1)))
    return render_page(
        request, "blocks.html", rows=rows, newest=newest, first=first, per_page=BLOCKS_PER_PAGE
    )


@router.get("/blocks/{height}")
async def block(request: Request, network: TheNetwork, height: int) -> Response:
    found = await network.chain.block(height)
    return render_page(
        request,
        "block.html",
        block=found,
        summary=summarise_block(found),
        extrinsics=found.extrinsics[:EXTRINSICS_SHOWN],
        events=found.events[:EVENTS_SHOWN],
        describe=_describe_fields,
    )


@router.get("/neurons")
def neurons(
    request: Request,
    network: TheNetwork,
    sort: SortKey = "emission",
    page: Annotated[int, Query(ge=1, le=1000)] = 1,
) -> Response:
    rows = sort_neurons(network.metagraph.neurons, sort) if network.metagraph else []
    start = (page - 1) * NEURONS_PER_PAGE
    return render_page(
        request,
        "neurons.html",
        neurons=rows[start : start + NEURONS_PER_PAGE],
        neuron_count=len(rows),
        split=split_emission(rows),
        sort=sort,
        page=page,
        page_count=max(1, -(-len(rows) // NEURONS_PER_PAGE)),
    )


@router.get("/market")
async def market(request: Request, network: TheNetwork) -> Response:
    book, trades = None, []
    if network.market is not None:
        try:
            book = await network.exchange.book()
            trades = await network.exchange.trades()
        except httpx.HTTPError:
            network.market = None
    return render_page(request, "market.html", book=book, trades=trades)


@router.get("/playground")
async def playground(request: Request) -> Response:
    return render_page(request, "playground.html")


def render_error(request: Request, error: Exception) -> Response:
    """Say what went wrong: a page for people, the one JSON shape for programs."""
    status, refusal = _explain(error)
    REFUSALS.labels(refusal.code).inc()
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse(refusal.as_json(), status_code=status)
    return render_page(request, "error.html", status=status, message=refusal.message)


def _explain(error: Exception) -> tuple[int, Refusal]:
    if isinstance(error, Refusal):
        return error.status, error
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return 422, Refusal(f"The address holds a {where} that can't be read: {first['msg']}.")
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return 404, Refusal("There is no such page. The links above lead to all there are.")
    return error.status_code, Refusal(str(error.detail))


def render_page(request: Request, name: str, status: int = 200, **values: Any) -> Response:
    templates: Jinja2Templates = request.app.state.templates
    network = get_network(request)
    shared = {
        "network": network,
        "role_of": role_of,
        "server_ms": int(time.time() * 1000),
        "status": status,
    }
    return templates.TemplateResponse(request, name, {**shared, **values}, status_code=status)


def _head_height(network: Network) -> int:
    if network.head is None:
        raise ChainUnavailable(
            f"The chain at {network.settings.chain_url} has not answered yet. "
            "This page tries again by itself."
        )
    return network.head.height


def _describe_fields(value: Any) -> list[tuple[str, str]]:
    """Return an event's or a call's fields as text, long lists shortened."""
    fields = value.model_dump(mode="json") if hasattr(value, "model_dump") else dict(value)
    hidden = {"kind", "height", "index", "extrinsic_index"}
    return [_describe_field(key, item) for key, item in fields.items() if key not in hidden]


def _describe_field(key: str, item: Any) -> tuple[str, str]:
    if key.endswith("_rao") and str(item).isdigit():
        return key.removesuffix("_rao"), f"{format_tao(int(item))} TAO"
    return key.replace("_", " "), _shorten(item)


def _shorten(item: Any) -> str:
    if isinstance(item, list) and len(item) > 8:
        return ", ".join(map(str, item[:8])) + f", … ({len(item)} in all)"
    text = ", ".join(map(str, item)) if isinstance(item, list) else str(item)
    return text if len(text) <= 200 else f"{text[:200]}…"
