"""What the pages' own scripts ask for: data of the charts, and the stream of news."""

from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent

from taonet.explorer.pages import TheNetwork
from taonet.kit.errors import TooMany

router = APIRouter()


@router.get("/data/emission", tags=["data"])
def emission(network: TheNetwork) -> dict[str, Any]:
    """Each of the last steps: what it paid, and all that was minted up to it, in rao."""
    steps = [
        {
            "height": step.height,
            "time_ms": step.time_ms,
            "paid_rao": str(step.paid_rao),
            "issuance_rao": str(step.issuance_rao),
        }
        for step in network.payouts.steps
    ]
    return {"steps": steps}


@router.get("/data/price", tags=["data"])
def price(network: TheNetwork) -> dict[str, Any]:
    """Closing price of each of the last minutes, in BTC for one TAO."""
    closes = network.market.closes if network.market else ()
    return {"closes": [{"time_ms": time_ms, "price_btc": close} for time_ms, close in closes]}


@router.get("/data/depth", tags=["data"])
async def depth(network: TheNetwork) -> dict[str, Any]:
    """The book's levels: price in BTC for one TAO, and TAO offered up to there."""
    book = await network.exchange.book()
    return {
        side: [{"price_btc": str(x.price), "cumulative_tao": str(x.cumulative)} for x in levels]
        for side, levels in (("bids", book.bids), ("asks", book.asks))
    }


def check_room(network: TheNetwork) -> None:
    if network.broadcast.is_full:
        raise TooMany("too many pages listen already; this page stays as it is until reloaded")


@router.get(
    "/stream",
    response_class=EventSourceResponse,
    dependencies=[Depends(check_room)],
    tags=["data"],
)
async def stream(network: TheNetwork) -> AsyncIterator[ServerSentEvent]:
    """
    Names what has changed, as it does: `block`, `step`, `market`, `health`.

    Begins with `hello`, so that a page that was cut off catches up at once.
    """
    height = network.head.height if network.head else None
    yield ServerSentEvent(event="hello", data={"height": height})
    async for event in network.broadcast.listen():
        yield ServerSentEvent(event=event.name, data=event.data)
