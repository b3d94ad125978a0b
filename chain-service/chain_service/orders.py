"""From extrinsics as they travel to orders that the domain can carry out: the boundary's checks."""

from typing import Any, NamedTuple

from pydantic import ValidationError

from chain_service.domain.blocks import Order
from chain_service.domain.encoding import encode_canonically, hash_bytes
from chain_service.domain.errors import BatchInBatch, UnknownCall
from chain_service.schemas import ARGUMENTS, Extrinsic
from taonet.kit.errors import Malformed, Refusal, TooLarge
from taonet.kit.keys import check_signature

EXTRINSIC_BYTES_MAX = 300_000
"""Canonical bytes of an extrinsic: 4096 weights with room to spare."""
PLAIN = frozenset({str, int})


class SignedOrder(NamedTuple):
    """An order whose signer signed it, and the extrinsic it came in, as JSON."""

    order: Order
    genesis_hash: str
    """The chain it was signed for."""
    body: str


def judge_extrinsic(item: Any) -> SignedOrder | Refusal:
    """Return the signed order in a JSON value, or why it is refused."""
    try:
        return verify_order(Extrinsic.model_validate(item))
    except ValidationError as error:
        return _tell_first(error, "extrinsic")
    except Refusal as refusal:
        return refusal


def verify_order(extrinsic: Extrinsic) -> SignedOrder:
    """Return what an extrinsic orders, or refuse what can't be read or was not signed."""
    read = read_order(extrinsic)
    check_signature(extrinsic.signer, bytes.fromhex(read.order.hash), extrinsic.signature)
    return read


def read_order(extrinsic: Extrinsic) -> SignedOrder:
    """Return what an extrinsic orders, whoever signed it, or refuse what can't be read."""
    payload = _encode(extrinsic.payload())
    order = Order(
        hash=hash_bytes(payload).hex(),
        signer=extrinsic.signer,
        nonce=extrinsic.nonce,
        last_valid_block=extrinsic.last_valid_block,
        tip_rao=extrinsic.tip_rao,
        call=extrinsic.call,
        arguments=read_arguments(extrinsic.call, extrinsic.arguments),
        length=len(payload),
    )
    body = f'{payload[:-1].decode()},"signature":"{extrinsic.signature}"}}'
    return SignedOrder(order, extrinsic.genesis_hash, body)


def restore_order(extrinsic_hash: str, length: int, body: dict[str, Any]) -> Order:
    """Return the order of an extrinsic that was verified when it came in."""
    return Order(
        hash=extrinsic_hash,
        signer=body["signer"],
        nonce=body["nonce"],
        last_valid_block=body["last_valid_block"],
        tip_rao=int(body["tip_rao"]),
        call=body["call"],
        arguments=read_arguments(body["call"], body["arguments"]),
        length=length,
    )


def read_arguments(call: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a call's arguments as Python values, or say which is wrong first."""
    if call not in ARGUMENTS:
        raise UnknownCall(f"{call[:40]!r} is no call; known are {', '.join(ARGUMENTS)}")
    try:
        # The attributes as they are: iterating a model costs three times the validation.
        values = dict(ARGUMENTS[call].model_validate(arguments).__dict__)
    except ValidationError as error:
        raise _tell_first(error, call) from None
    if call == "batch":
        values["calls"] = [_read_batched(inner.call, inner.arguments) for inner in values["calls"]]
    return values


def _read_batched(call: str, arguments: dict[str, Any]) -> dict[str, Any]:
    if call == "batch":
        raise BatchInBatch("a batch holds no other batch; write its calls one after another")
    return {"call": call, "arguments": read_arguments(call, arguments)}


def _encode(told: dict[str, Any]) -> bytes:
    flat = PLAIN.issuperset(map(type, told["arguments"].values()))
    try:
        payload = encode_canonically(told, may_hold_floats=not flat)
    except (ValueError, RecursionError):
        raise Malformed(
            "the arguments can't be written as RFC 8785 JSON; write large integers as strings"
        ) from None
    if len(payload) > EXTRINSIC_BYTES_MAX:
        raise TooLarge(f"an extrinsic has at most {EXTRINSIC_BYTES_MAX} canonical bytes")
    return payload


def _tell_first(error: ValidationError, where: str) -> Malformed:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "arguments"
    return Malformed(f"{where}: {place}: {first['msg']}")
