"""The neurons' pages: the metagraph, one neuron and why it earns what it does, the Validators."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from taonet.explorer.figures import SortKey, role_of, sort_neurons, split_emission
from taonet.explorer.network import Network
from taonet.explorer.pages import TheNetwork, render_page
from taonet.explorer.standings import read_standings
from taonet.explorer.weighing import Rater, choose_columns, mean_shares, weigh_raters
from taonet.kit.errors import NotFound, Unavailable
from taonet.kit.money import RAO_PER_TAO

NEURONS_PER_PAGE = 100
COLUMNS_SHOWN = 24
"""Servers beside each other in the table of weights."""
BONDS_SHOWN = 50
UID_MAX = 2**31 - 1

Uid = Annotated[int, Path(ge=0, le=UID_MAX)]
router = APIRouter()


@router.get("/neurons", response_class=HTMLResponse, include_in_schema=False)
def neurons(
    request: Request,
    network: TheNetwork,
    sort: SortKey = "emission",
    page: Annotated[int, Query(ge=1, le=1000)] = 1,
) -> Response:
    """The first rows; a script puts all of them in their place, where there is one."""
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


@router.get("/data/neurons", tags=["data"])
def all_neurons(network: TheNetwork) -> Response:
    """Every neuron as a row of `columns`: amounts in TAO, shares of one, past payouts 0 … 99."""
    return Response(network.told_neurons(_tell_neurons), media_type="application/json")


@router.get("/neurons/{uid}", response_class=HTMLResponse, include_in_schema=False)
async def neuron(request: Request, network: TheNetwork, uid: Uid) -> Response:
    found = network.neuron(uid)
    if found is None:
        raise NotFound(_say_absent(network, uid))
    told = await network.chain.neuron(uid)
    raters = await _weigh(network)
    bonds = sorted(told.bonds_rao or [], key=lambda bond: -bond[1])
    return render_page(
        request,
        "neuron.html",
        neuron=told,
        raters=raters,
        mean_share=mean_shares(raters).get(uid, 0.0),
        own=next((rater for rater in raters if rater.neuron.uid == uid), None),
        bonds=[(network.neuron(other), other, rao) for other, rao in bonds[:BONDS_SHOWN]],
        bond_count=len(bonds),
        standings=await read_standings(network, uid),
        payouts=network.payouts.of(told),
    )


@router.get("/data/neurons/{uid}/payouts", tags=["data"])
def payouts(network: TheNetwork, uid: Uid) -> dict[str, Any]:
    """What each of the last steps gave to a neuron since it took its slot, in rao."""
    found = network.neuron(uid)
    if found is None:
        raise NotFound(_say_absent(network, uid))
    steps = [
        {"height": step.height, "time_ms": step.time_ms, "paid_rao": str(amount_rao)}
        for step, amount_rao in network.payouts.of(found)
    ]
    return {"steps": steps}


@router.get("/validators", response_class=HTMLResponse, include_in_schema=False)
async def validators(request: Request, network: TheNetwork) -> Response:
    raters = await _weigh(network)
    columns = choose_columns(raters, COLUMNS_SHOWN)
    return render_page(
        request,
        "validators.html",
        raters=raters,
        columns=columns,
        rated_count=len(mean_shares(raters)),
        mean=mean_shares(raters),
        largest=max((r.shares.get(uid, 0.0) for r in raters for uid in columns), default=0.0),
    )


async def _weigh(network: Network) -> list[Rater]:
    if network.metagraph is None:
        raise Unavailable(
            f"The chain at {network.settings.chain_url} has not answered yet. "
            "This page tries again by itself."
        )
    known = {neuron.uid: neuron for neuron in network.metagraph.neurons}
    return weigh_raters(await network.weights(), known)


def _say_absent(network: Network, uid: int) -> str:
    count = len(network.metagraph.neurons) if network.metagraph else 0
    return f"there is no neuron {uid}; {count} are registered, and Neurons lists them"


def _tell_neurons(network: Network) -> bytes:
    known = network.metagraph.neurons if network.metagraph else []
    sparks = network.payouts.sparks(known)
    columns = (
        *("uid", "name", "hotkey", "role", "active", "stake", "trust", "consensus"),
        *("incentive", "dividends", "emission", "spark"),
    )
    rows = [
        (
            *(one.uid, one.name, one.hotkey, role_of(one), one.active),
            *(one.stake_rao / RAO_PER_TAO, one.trust, one.consensus),
            *(one.incentive, one.dividends, one.emission_rao / RAO_PER_TAO, spark),
        )
        for one, spark in zip(known, sparks, strict=True)
    ]
    height = network.metagraph.height if network.metagraph else 0
    return orjson.dumps({"height": height, "columns": columns, "rows": rows})
