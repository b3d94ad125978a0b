"""The status page: does each service answer, how far behind is it, do the books agree."""

import asyncio
from typing import Any

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from taonet.explorer.network import Audit, Network
from taonet.explorer.pages import TheNetwork, render_page
from taonet.kit.version import VERSION

LATE_BLOCKS = 3
"""So many block times without a block are late."""
AUDIT_PAUSE_SECONDS = 30.0
AUDIT_SECONDS_MAX = 25.0

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/status")
async def status(request: Request, network: TheNetwork) -> Response:
    return render_page(
        request,
        "status.html",
        audits=[audit_supply(network), *network.audits],
        version=VERSION,
        late_after_ms=_late_after_ms(network),
        listeners=network.broadcast.listener_count,
    )


def _late_after_ms(network: Network) -> int:
    return int(LATE_BLOCKS * network.head.block_seconds * 1000) if network.head else 0


async def watch_audits(network: Network) -> None:
    """Ask everybody who keeps books whether they agree, for ever; an audit may take its time."""
    gateways = network.settings.gateways().items()
    exchange = f"{network.settings.exchange_url}/exchange/v1/audit"
    while True:
        asked = [
            _ask(network, f"{name}: consumers’ books", f"{url}/v1/audit", _read_gateway)
            for name, url in gateways
        ]
        asked.append(_ask(network, "Exchange: books and invariants", exchange, _read_exchange))
        network.audits = list(await asyncio.gather(*asked))
        await asyncio.sleep(AUDIT_PAUSE_SECONDS)


def audit_supply(network: Network) -> Audit:
    name, source = "Chain: free + stake + pot = issued", f"{network.settings.chain_url}/supply"
    supply = network.supply
    if supply is None:
        return Audit(name, source, "unknown", "the chain has not answered yet")
    missing = supply.issuance_rao - supply.free_rao - supply.stake_rao - supply.pot_rao
    if missing:
        return Audit(name, source, "broken", f"off by {missing} rao at block {supply.height:,}")
    return Audit(name, source, "holds", f"to the rao, at block {supply.height:,}")


async def _ask(network: Network, name: str, url: str, read: Any) -> Audit:
    try:
        answer = await network.http.get(url, timeout=AUDIT_SECONDS_MAX)
        answer.raise_for_status()
        problems = read(answer.json())
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return Audit(name, url, "unknown", f"it does not tell ({type(error).__name__})")
    if problems:
        return Audit(name, url, "broken", "; ".join(problems)[:500])
    return Audit(name, url, "holds", "nothing disagrees")


def _read_gateway(told: dict[str, Any]) -> list[str]:
    problems = [str(problem) for problem in told["problems"]]
    return problems if problems or told["balanced"] else ["the books do not balance"]


def _read_exchange(told: dict[str, Any]) -> list[str]:
    return [str(fault) for fault in told["faults"]]
