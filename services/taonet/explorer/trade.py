"""
The trading page, and its way to the exchange.

The page may talk to its own site only, so the explorer relays what it signs. The secret never
leaves the browser: requests are signed there, and what passes here is a signature that the
exchange takes once. Nothing of it is stored or logged.
"""

from decimal import Decimal
from io import BytesIO
from typing import Annotated, Any, Final, Literal

import httpx
import segno
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from taonet.explorer.pages import TheNetwork, render_page
from taonet.kit.errors import NotFound, Unavailable

KEY_HEADER: Final = "X-MBX-APIKEY"
FORWARDED: Final = "X-Forwarded-For"
QUERY_LENGTH_MAX: Final = 2_000
CANDLES_MAX: Final = 500
QR_LETTERS_MAX: Final = 200
RELAYED: Final = {
    ("GET", "api/v3/account"),
    ("GET", "api/v3/openOrders"),
    ("GET", "api/v3/myTrades"),
    ("POST", "api/v3/order"),
    ("DELETE", "api/v3/order"),
    ("GET", "sapi/v1/capital/config/getall"),
    ("GET", "sapi/v1/capital/deposit/address"),
    ("GET", "sapi/v1/capital/deposit/hisrec"),
    ("GET", "sapi/v1/capital/withdraw/history"),
    ("POST", "sapi/v1/capital/withdraw/apply"),
    ("DELETE", "exchange/v1/withdrawals"),
}
"""All that the page asks with a key; the explorer passes on nothing else."""

Interval = Literal["1m", "5m", "15m", "1h", "4h", "1d"]
router = APIRouter(tags=["trade"])


class AccountRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=48)]


@router.get("/trade", include_in_schema=False, response_class=HTMLResponse)
async def trade(request: Request, network: TheNetwork) -> Response:
    book, trades = None, []
    if network.market is not None:
        try:
            book, trades = await network.exchange.book(), await network.exchange.trades()
        except httpx.HTTPError:
            network.market = None
    return render_page(request, "trade.html", book=book, trades=trades)


@router.get("/trade/candles")
async def candles(network: TheNetwork, interval: Interval = "1m") -> list[dict[str, Any]]:
    """Each candle of the last five hundred: start in seconds, prices in BTC, volume in TAO."""
    try:
        rows = await network.exchange.candles(interval, CANDLES_MAX)
    except httpx.HTTPError as error:
        raise Unavailable(f"the exchange gives no candles ({type(error).__name__})") from None
    return [
        {
            "time": row[0] // 1_000,
            "open": float(row[1]),
            "high": float(row[2]),
            "low": float(row[3]),
            "close": float(row[4]),
            "volume": float(row[5]),
        }
        for row in rows
        if Decimal(row[1])
    ]


@router.get("/trade/qr")
def draw_code(text: Annotated[str, Query(min_length=1, max_length=QR_LETTERS_MAX)]) -> Response:
    """Draw a text as a QR code, dark on light in either theme, for cameras."""
    drawn = BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawn, kind="svg", scale=4, border=3, dark="#111", light="#fff", xmldecl=False
    )
    return Response(drawn.getvalue(), media_type="image/svg+xml")


@router.post("/trade/accounts", status_code=201)
async def open_account(body: AccountRequest, request: Request, network: TheNetwork) -> Response:
    """Open an account with test coins; the answer holds its key and, this once, its secret."""
    asked = network.exchange_http.build_request(
        "POST",
        "/exchange/v1/keys",
        json={"name": body.name, "funded": True},
        headers=tell_person(request),
    )
    return await _pass_on(network.exchange_http, asked)


@router.api_route(
    "/trade/exchange/{path:path}", methods=["GET", "POST", "DELETE"], include_in_schema=False
)
async def relay(
    path: str,
    request: Request,
    network: TheNetwork,
    api_key: Annotated[str, Header(alias=KEY_HEADER, max_length=100)],
) -> Response:
    """Pass a signed request on, bytes as they came."""
    query: bytes = request.scope["query_string"]
    if (request.method, path) not in RELAYED or len(query) > QUERY_LENGTH_MAX:
        raise NotFound("the trading page has no use for this; ask the exchange itself")
    url = network.exchange_http.base_url.copy_with(raw_path=f"/{path}?".encode() + query)
    headers = {KEY_HEADER: api_key, **tell_person(request)}
    asked = network.exchange_http.build_request(request.method, url, headers=headers)
    return await _pass_on(network.exchange_http, asked)


def tell_person(request: Request) -> dict[str, str]:
    """Say whom the exchange shall count a request for, where it trusts the explorer to say so."""
    person = request.client.host if request.client else ""
    # From whom we heard comes last, so that it can be told from what the person made up.
    return {FORWARDED: ", ".join([*request.headers.getlist(FORWARDED), person])}


async def _pass_on(http: httpx.AsyncClient, asked: httpx.Request) -> Response:
    try:
        answer = await http.send(asked)
    except httpx.TransportError:
        raise Unavailable(
            f"the exchange at {asked.url.host}:{asked.url.port} does not answer; "
            "`taonet status` tells whether it runs"
        ) from None
    media_type = answer.headers.get("content-type", "application/json")
    return Response(answer.content, answer.status_code, media_type=media_type)
