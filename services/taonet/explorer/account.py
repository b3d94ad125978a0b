"""
A consumer's account at the gateway: the person's own API key signs in, and is never stored.

The page may talk to its own site only, so the explorer relays what the key may read.
"""

import io
from typing import Annotated, Literal

import segno
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import HTMLResponse

from taonet.explorer.pages import TheNetwork, render_page
from taonet.explorer.playground import relay
from taonet.explorer.settings import ExplorerSettings
from taonet.kit.errors import Unauthenticated

Part = Literal["summary", "usage", "keys", "calls", "refunds"]
PARTS: dict[Part, str] = {
    "summary": "/v1/account",
    "usage": "/v1/account/usage?hours=168",
    "keys": "/v1/account/keys",
    "calls": "/v1/account/calls?limit=20",
    "refunds": "/v1/account/refunds",
}
"""What the page shows, and where the gateway tells it."""
QUIET_MODULES = 4
"""White around the code: less, and cameras do not find it."""

router = APIRouter(tags=["account"])


@router.get("/account", response_class=HTMLResponse, include_in_schema=False)
async def account(request: Request) -> Response:
    return render_page(request, "account.html")


@router.get("/account/data/{part}")
async def read_part(
    part: Part,
    request: Request,
    network: TheNetwork,
    authorization: Annotated[str | None, Header(max_length=500)] = None,
) -> Response:
    """Tell one part of the account that a key belongs to."""
    if not authorization:
        raise Unauthenticated("paste an API key: `taonet key new` makes one")
    settings: ExplorerSettings = request.app.state.settings
    return await relay(
        network.http, f"{settings.gateway_url}{PARTS[part]}", {"authorization": authorization}
    )


@router.get("/account/qr")
async def draw_code(
    address: Annotated[str, Query(pattern="^[1-9A-HJ-NP-Za-km-z]{40,60}$")],
) -> Response:
    """Draw an address as a QR code, black on white in either theme: that is what cameras read."""
    drawn = io.BytesIO()
    segno.make(address, error="m").save(
        drawn, kind="svg", border=QUIET_MODULES, light="#fff", dark="#000", xmldecl=False
    )
    return Response(drawn.getvalue(), media_type="image/svg+xml")
