"""The pages that people read, each made by the server; the browser keeps them fresh."""

import time
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException

from taonet.explorer.figures import role_of, sort_neurons, split_emission
from taonet.explorer.network import Network
from taonet.kit.errors import Refusal
from taonet.kit.metrics import REFUSALS

NEURONS_ON_HOME = 12
SECTIONS = {
    "Network": {"/": "Network"},
    "Chain": {"/blocks": "Blocks", "/supply": "Supply"},
    "Neurons": {"/neurons": "Neurons", "/validators": "Validators"},
    "Market": {"/market": "Market", "/trade": "Trade"},
    "Inference": {"/playground": "Playground", "/account": "Your account"},
    "Operation": {"/status": "Status", "/dashboards": "Dashboards"},
}
"""What the top of every page leads to: few words there, the rest one step away."""
SECTION_OF = {
    **{path.strip("/"): name for name, pages in SECTIONS.items() for path in pages},
    **dict.fromkeys(("extrinsics", "accounts"), "Chain"),
}

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def get_network(request: Request) -> Network:
    network: Network = request.app.state.network
    return network


TheNetwork = Annotated[Network, Depends(get_network)]


@router.get("/")
def home(request: Request, network: TheNetwork) -> Response:
    metagraph = network.metagraph
    neurons = sort_neurons(metagraph.neurons, "emission") if metagraph else []
    return render_page(
        request,
        "home.html",
        neurons=neurons[:NEURONS_ON_HOME],
        neuron_count=len(neurons),
        split=split_emission(neurons),
        last_step=network.payouts.last,
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
    """Fill a template with what all pages show, and with its own values."""
    templates: Jinja2Templates = request.app.state.templates
    network = get_network(request)
    shared = {
        "network": network,
        "role_of": role_of,
        "sections": SECTIONS,
        "section": SECTION_OF.get(request.url.path.split("/")[1], ""),
        "server_ms": int(time.time() * 1000),
        "status": status,
    }
    return templates.TemplateResponse(request, name, {**shared, **values}, status_code=status)
