"""How an extrinsic is signed, and how many are sent together."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chain_service.domain.encoding import hash_value
from chain_service.domain.errors import UnknownCall
from chain_service.schemas import ARGUMENTS, EXTRINSICS_PER_REQUEST_MAX, Extrinsic, Head
from taonet.kit.keys import Keypair

VALID_BLOCKS = 150
"""How many blocks a submitted extrinsic stays valid for."""
BODY_LENGTH_MAX = 500_000
"""Characters of extrinsics that are sent at once; the chain takes twice as many."""


def sign_extrinsic(
    keypair: Keypair,
    genesis_hash: str,
    nonce: int,
    last_valid_block: int,
    call: str,
    arguments: Mapping[str, Any],
    tip_rao: int = 0,
) -> Extrinsic:
    """Return a signed extrinsic: sr25519 over blake2b-256 of the canonical bytes of the rest."""
    if call not in ARGUMENTS:
        raise UnknownCall(f"{call!r} is no call; known: {', '.join(ARGUMENTS)}")
    payload = {
        "genesis_hash": genesis_hash,
        "signer": keypair.ss58_address,
        "nonce": nonce,
        "last_valid_block": last_valid_block,
        "tip_rao": str(tip_rao),
        "call": call,
        "arguments": ARGUMENTS[call].model_validate(dict(arguments)).model_dump(mode="json"),
    }
    signature = bytes(keypair.sign(hash_value(payload))).hex()
    return Extrinsic.model_validate({**payload, "signature": signature})


def sign_many(
    keypair: Keypair, head: Head, nonce: int, calls: Sequence[tuple[str, Mapping[str, Any]]]
) -> list[Extrinsic]:
    """Return signed extrinsics with nonces that follow one another."""
    last_valid_block = head.height + VALID_BLOCKS
    return [
        sign_extrinsic(keypair, head.genesis_hash, nonce + place, last_valid_block, call, arguments)
        for place, (call, arguments) in enumerate(calls)
    ]


def cut_bodies(extrinsics: Sequence[Extrinsic]) -> Iterator[list[dict[str, Any]]]:
    """Yield bodies of requests, each within the chain's limits."""
    body: list[dict[str, Any]] = []
    length = 0
    for extrinsic in extrinsics:
        entry = extrinsic.model_dump(mode="json")
        size = len(json.dumps(entry))
        if body and (length + size > BODY_LENGTH_MAX or len(body) == EXTRINSICS_PER_REQUEST_MAX):
            yield body
            body, length = [], 0
        body.append(entry)
        length += size
    if body:
        yield body
