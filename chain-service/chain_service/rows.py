"""What becomes of a block's extrinsics and events as rows, in the text form of Postgres' COPY."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson

from chain_service.domain.blocks import AppliedBlock
from chain_service.domain.execution import Event
from taonet.kit.keys import ADDRESSES_KEPT
from taonet.kit.rows import NULL, escape, escape_json


def write_extrinsics(block: AppliedBlock, bodies: Sequence[str]) -> list[str]:
    """Return a block's extrinsics as rows of EXTRINSIC_TABLE; bodies are JSON."""
    height = block.header.height
    rows = []
    for index, (outcome, order) in enumerate(zip(block.outcomes, block.orders, strict=True)):
        tag, body = tag_account(order.signer), escape_json(bodies[index])
        error = outcome.error
        fate = f"included\t{NULL}" if error is None else f"failed\t{escape(error)}"
        rows.append(
            f"{outcome.hash}\t{height}\t{index}\t{fate}\t{outcome.fee_rao}\t{body}\t{tag}\n"
        )
    return rows


def write_events(block: AppliedBlock) -> list[str]:
    """Return a block's events as rows of EVENT_TABLE."""
    height = block.header.height
    rows = []
    for index, (extrinsic_index, event) in enumerate(block.events):
        cause = NULL if extrinsic_index is None else str(extrinsic_index)
        kind, fields = event.kind, event.fields
        tag = str(tag_account(fields["receiver"])) if kind == "Transferred" else NULL
        body = escape_json(orjson.dumps(tell_fields(event)).decode())
        rows.append(f"{height}\t{index}\t{cause}\t{kind}\t{body}\t{tag}\n")
    return rows


def tell_fields(event: Event) -> dict[str, Any]:
    """Return an event's fields as they travel: amounts are strings."""
    return {
        name: str(value) if name.endswith("_rao") else value for name, value in event.fields.items()
    }


@lru_cache(ADDRESSES_KEPT)
def tag_account(address: str) -> int:
    """Return what an account's rows are looked up by: 32 bits, as Postgres' `account_tag` does."""
    return int.from_bytes(hashlib.sha256(address.encode()).digest()[:4], "big", signed=True)
