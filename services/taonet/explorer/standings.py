"""What each Validator says of a Server: losses, speed, score; asked of their gateways."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import BaseModel, ValidationError

from taonet.explorer.network import Network


class Standing(BaseModel):
    """How one Validator judges one Server."""

    uid: int
    rounds: int
    loss_nats: float | None = None
    """Long-run mean loss; none before the first valid answer."""
    score: float | None = None
    """Moving average of what its rounds were worth; weights are in proportion."""
    seconds: float | None = None
    """Long-run mean time to an answer."""
    by_heart: float | None = None
    """How much surer it was of the text's own questions than of altered ones."""
    worth: float = 0.0
    """What its newest round was worth."""
    synergy: float = 0.0
    """Part of that: what it knew beside others."""
    cluster_uid: int | None = None
    """The first that answered alike in the newest round; none where it did not answer."""


@dataclass(frozen=True)
class Told:
    """One Validator's answer, or why there is none."""

    name: str
    url: str
    standing: Standing | None
    problem: str = ""


async def read_standings(network: Network, uid: int) -> list[Told]:
    """Ask every Validator that is known by address, all at once."""
    asked = [
        _ask(network.http, name, url, uid) for name, url in network.settings.gateways().items()
    ]
    return list(await asyncio.gather(*asked))


async def _ask(http: httpx.AsyncClient, name: str, url: str, uid: int) -> Told:
    try:
        answer = await http.get(f"{url}/v1/standings", params={"uid": uid})
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        servers = [Standing.model_validate(server) for server in told["servers"]]
        return Told(str(told["name"]), url, servers[0] if servers else None)
    except (httpx.HTTPError, ValidationError, ValueError, KeyError, TypeError) as error:
        return Told(name, url, None, f"does not tell ({type(error).__name__})")
