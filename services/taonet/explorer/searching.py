"""Search by anything: a height, a hash, an address, a uid, a neuron's name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from chain_service.client import ChainRefusal, ChainUnavailable
from chain_service.schemas import Neuron
from taonet.explorer.network import Network
from taonet.explorer.pages import TheNetwork, render_page
from taonet.explorer.rendering import short_hash
from taonet.kit.errors import Refusal
from taonet.kit.keys import check_address

HITS_SHOWN = 50
HASH = re.compile("(?:0x)?([0-9a-fA-F]{64})")
UID = re.compile(r"(?:uid|neuron|#)\s*([0-9]{1,5})", re.IGNORECASE)
ADDRESS_PART_LENGTH = 5
"""Letters of an address from which on neurons are found by its beginning."""

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@dataclass(frozen=True)
class Hit:
    """Something that what was typed may mean."""

    kind: str
    title: str
    link: str


@router.get("/search")
async def search(
    request: Request, network: TheNetwork, q: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Go to what was meant; where it may be several things, list them."""
    text = q.strip()
    hits = await find(network, text)
    if len(hits) == 1:
        return RedirectResponse(hits[0].link, status_code=303)
    return render_page(
        request, "search.html", text=text, hits=hits[:HITS_SHOWN], hit_count=len(hits)
    )


async def find(network: Network, text: str) -> list[Hit]:
    """Return all that a text may name: by its form, and among the neurons."""
    if not text:
        return []
    if found := HASH.fullmatch(text):
        return await _find_hash(network, found[1].lower())
    return [*_find_number(network, text), *_find_address(text), *_find_neurons(network, text)]


async def _find_hash(network: Network, found: str) -> list[Hit]:
    try:
        block = await network.chain.find_block(found)
        return [Hit("Block", f"{block.height:,}", f"/blocks/{block.height}")]
    except ChainUnavailable:
        raise
    except ChainRefusal:
        pass
    try:
        extrinsic = await network.chain.extrinsic(found)
    except ChainUnavailable:
        raise
    except ChainRefusal:
        return []
    return [Hit("Extrinsic", f"{extrinsic.extrinsic.call}", f"/extrinsics/{found}")]


def _find_number(network: Network, text: str) -> Iterator[Hit]:
    digits = re.sub(r"[,_\s]", "", text)
    if digits.isascii() and digits.isdigit() and len(digits) <= 15:
        height = int(digits)
        if network.head and 1 <= height <= network.head.height:
            yield Hit("Block", f"{height:,}", f"/blocks/{height}")
        if neuron := network.neuron(height):
            yield _neuron_hit(neuron)
    elif (named := UID.fullmatch(text)) and (neuron := network.neuron(int(named[1]))):
        yield _neuron_hit(neuron)


def _find_address(text: str) -> Iterator[Hit]:
    try:
        check_address(text)
    except Refusal:
        return
    yield Hit("Account", short_hash(text), f"/accounts/{text}")


def _find_neurons(network: Network, text: str) -> Iterator[Hit]:
    """Yield neurons by a part of their name, or by how their keys begin."""
    neurons = network.metagraph.neurons if network.metagraph else []
    wanted, by_key = text.casefold(), len(text) >= ADDRESS_PART_LENGTH
    for neuron in neurons:
        if wanted in neuron.name.casefold() or (by_key and neuron.hotkey.startswith(text)):
            yield _neuron_hit(neuron)
        elif by_key and len(text) < len(neuron.coldkey) and neuron.coldkey.startswith(text):
            yield Hit("Account", short_hash(neuron.coldkey), f"/accounts/{neuron.coldkey}")


def _neuron_hit(neuron: Neuron) -> Hit:
    title = f"{neuron.uid} · {neuron.name or 'without a name'} · {short_hash(neuron.hotkey)}"
    return Hit("Neuron", title, f"/neurons/{neuron.uid}")
