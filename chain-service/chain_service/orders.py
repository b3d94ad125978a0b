"""From extrinsics as they travel to orders that the domain can carry out: the boundary's checks."""

from typing import Any

import rfc8785
from pydantic import ValidationError

from chain_service.domain.blocks import Order
from chain_service.domain.encoding import encode_canonically, hash_bytes
from chain_service.domain.errors import BatchInBatch, UnknownCall
from chain_service.schemas import ARGUMENTS, Extrinsic
from taonet.kit.errors import Malformed
from taonet.kit.keys import check_signature


def read_order(extrinsic: Extrinsic) -> Order:
    """Return what an extrinsic orders, or refuse what can't be read; signatures are not checked."""
    return _make_order(extrinsic, _encode(extrinsic))


def verify_order(extrinsic: Extrinsic) -> Order:
    """Return what an extrinsic orders, if its signer signed it."""
    payload = _encode(extrinsic)
    check_signature(extrinsic.signer, hash_bytes(payload), extrinsic.signature)
    return _make_order(extrinsic, payload)


def read_arguments(call: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a call's arguments as Python values, or say which is wrong first."""
    if call not in ARGUMENTS:
        raise UnknownCall(f"{call[:40]!r} is no call; known are {', '.join(ARGUMENTS)}")
    try:
        values = ARGUMENTS[call].model_validate(arguments).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "arguments"
        raise Malformed(f"{call}: {where}: {first['msg']}") from None
    if call == "batch":
        values["calls"] = [_read_batched(inner) for inner in values["calls"]]
    return values


def _read_batched(inner: dict[str, Any]) -> dict[str, Any]:
    if inner["call"] == "batch":
        raise BatchInBatch("a batch holds no other batch; write its calls one after another")
    return {"call": inner["call"], "arguments": read_arguments(inner["call"], inner["arguments"])}


def _encode(extrinsic: Extrinsic) -> bytes:
    try:
        return encode_canonically(extrinsic.payload())
    except (rfc8785.CanonicalizationError, RecursionError):
        raise Malformed(
            "the arguments can't be written as RFC 8785 JSON; write large integers as strings"
        ) from None


def _make_order(extrinsic: Extrinsic, payload: bytes) -> Order:
    return Order(
        hash=hash_bytes(payload).hex(),
        signer=extrinsic.signer,
        nonce=extrinsic.nonce,
        last_valid_block=extrinsic.last_valid_block,
        tip_rao=extrinsic.tip_rao,
        call=extrinsic.call,
        arguments=read_arguments(extrinsic.call, extrinsic.arguments),
        length=len(payload),
    )
