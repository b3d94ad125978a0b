"""
From extrinsics as they travel to orders that the domain can carry out: the boundary's checks.

What the schemas say holds. A transfer, which most extrinsics are, is read by hand where it is as it
should be, at a quarter of the work; whatever is not is left to them, and refused in their words.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from pydantic import ValidationError

from chain_service.domain.blocks import Order
from chain_service.domain.encoding import encode_canonically, hash_bytes
from chain_service.domain.errors import BatchInBatch, UnknownCall
from chain_service.schemas import ARGUMENTS, SAFE_INTEGER_MAX, Extrinsic
from taonet.kit.errors import Malformed, Refusal, TooLarge
from taonet.kit.keys import check_address, check_signature

EXTRINSIC_BYTES_MAX = 300_000
"""Canonical bytes of an extrinsic: 4096 weights with room to spare."""
PLAIN = frozenset({str, int})
ENVELOPE_FIELDS, PAYMENT_FIELDS = 8, 2
ADDRESS_LENGTH_MIN, ADDRESS_LENGTH_MAX = 46, 50
AMOUNT_LENGTH_MAX = 20
HASH_LENGTH, SIGNATURE_LENGTH = 64, 128


class SignedOrder(NamedTuple):
    """An order whose signer signed it, and the extrinsic it came in, as JSON."""

    order: Order
    genesis_hash: str
    """The chain it was signed for."""
    body: str


def judge_extrinsic(item: Any) -> SignedOrder | Refusal:
    """Return the signed order in a JSON value, or why it is refused."""
    try:
        read = read_transfer(item)
        if read is None:
            return verify_order(Extrinsic.model_validate(item))
        verify(read, item["signature"])
        return read
    except ValidationError as error:
        return _tell_first(error, "extrinsic")
    except Refusal as refusal:
        return refusal


def verify_order(extrinsic: Extrinsic) -> SignedOrder:
    """Return what an extrinsic orders, or refuse what can't be read or was not signed."""
    read = read_order(extrinsic)
    verify(read, extrinsic.signature)
    return read


def verify(read: SignedOrder, signature: str) -> None:
    """Refuse what its signer did not sign."""
    check_signature(read.order.signer, bytes.fromhex(read.order.hash), signature)


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


def read_transfer(item: Any) -> SignedOrder | None:
    """Return what a plain transfer orders, whoever signed it; none where it is anything else."""
    if type(item) is not dict or len(item) != ENVELOPE_FIELDS or item.get("call") != "transfer":
        return None
    field: Callable[[str], Any] = item.get
    arguments, signature, genesis_hash = (
        field("arguments"),
        field("signature"),
        field("genesis_hash"),
    )
    signer, tip, nonce = field("signer"), field("tip_rao"), field("nonce")
    last_valid_block = field("last_valid_block")
    values = read_payment(arguments)
    is_plain = (
        _is_address(signer)
        and _is_amount(tip)
        and _is_index(nonce)
        and _is_index(last_valid_block)
        and _is_hex(genesis_hash, HASH_LENGTH)
        and _is_hex(signature, SIGNATURE_LENGTH)
    )
    if values is None or not is_plain:
        return None
    tip_rao, amount = int(tip), arguments["amount_rao"]
    # RFC 8785, written out: names in order, and no text in here needs escaping.
    covered = (
        f'{{"arguments":{{"amount_rao":"{amount}","receiver":"{values["receiver"]}"}},'
        f'"call":"transfer","genesis_hash":"{genesis_hash}",'
        f'"last_valid_block":{last_valid_block},"nonce":{nonce},'
        f'"signer":"{signer}","tip_rao":"{tip_rao}"'
    )
    payload = f"{covered}}}".encode()
    digest, size = hash_bytes(payload).hex(), len(payload)
    order = Order(digest, signer, nonce, last_valid_block, tip_rao, "transfer", values, size)
    return SignedOrder(order, genesis_hash, f'{covered},"signature":"{signature}"}}')


def read_payment(arguments: Any) -> dict[str, Any] | None:
    """Return a plain transfer's arguments as Python values; none where they are anything else."""
    if type(arguments) is not dict or len(arguments) != PAYMENT_FIELDS:
        return None
    field: Callable[[str], Any] = arguments.get
    receiver, amount = field("receiver"), field("amount_rao")
    if not (_is_address(receiver) and _is_amount(amount)):
        return None
    return {"receiver": receiver, "amount_rao": int(amount)}


def _is_address(value: Any) -> bool:
    if type(value) is not str or not ADDRESS_LENGTH_MIN <= len(value) <= ADDRESS_LENGTH_MAX:
        return False
    try:
        check_address(value)
    except Refusal:
        return False
    return True


def _is_amount(value: Any) -> bool:
    is_short = type(value) is str and len(value) <= AMOUNT_LENGTH_MAX
    return is_short and value.isascii() and value.isdigit()


def _is_index(value: Any) -> bool:
    return type(value) is int and 0 <= value <= SAFE_INTEGER_MAX


def _is_hex(value: Any, length: int) -> bool:
    """Say whether it is a text of so many lower-case digits."""
    if type(value) is not str or len(value) != length:
        return False
    try:
        return bytes.fromhex(value).hex() == value
    except ValueError:
        return False


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


def read_arguments(call: str, arguments: Any) -> dict[str, Any]:
    """Return a call's arguments as Python values, or say which is wrong first."""
    if call not in ARGUMENTS:
        raise UnknownCall(f"{call[:40]!r} is no call; known are {', '.join(ARGUMENTS)}")
    payment = read_payment(arguments) if call == "transfer" else None
    if payment is not None:
        return payment
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
