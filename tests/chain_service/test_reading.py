"""A transfer read by hand is what the schemas make of it; what they refuse, they refuse."""

import json
from itertools import combinations
from typing import Any

import orjson
import pytest
from pydantic import ValidationError
from tests.bench.sync_chain import AUTHOR, SealedChain, make_chain

from chain_service.orders import judge_extrinsic, read_order, read_transfer, verify_order
from chain_service.replay import start_replay
from chain_service.schemas import SAFE_INTEGER_MAX, Extrinsic
from chain_service.sealed import EXTRINSICS, BadBlock, check_chunks
from chain_service.signing import sign_extrinsic
from taonet.kit.errors import Malformed, Refusal
from taonet.kit.keys import Keypair

ALICE, BOB = Keypair.create_from_uri("//Alice"), Keypair.create_from_uri("//Bob")
HEAD_HASH = "0ee25321dd0b4ed4e8e0728576e75f963b608c92b9333a9e9a81c04cd372c591"
"""Of the chain below, out of the plain sources: what is read by hand or compiled keeps to it."""


def make_transfer() -> dict[str, Any]:
    signed = sign_extrinsic(ALICE, "ab" * 32, 7, 100, "transfer", PAYMENT, tip_rao=5)
    return signed.model_dump(mode="json")


NUMBERS = (-1, 0, 1, True, 1.0, SAFE_INTEGER_MAX, SAFE_INTEGER_MAX + 1, "1", None)
AMOUNTS = (
    *("0", "007", "9" * 20, "9" * 21, "", "-1", "+1", "1.0", "1 ", "1\n", "²", "١"),
    *(5, -5, 2.5, True, None),
)
ALICE_NAMED = ALICE.ss58_address
ADDRESSES = (
    *(ALICE_NAMED, f"{ALICE_NAMED}\n", f" {ALICE_NAMED}", f"{ALICE_NAMED[:-1]}1"),
    *("0x" + "ab" * 32, "5" * 48, "é" * 48, None, 7),
)
TEXTS: tuple[Any, ...] = (
    *("", "cd" * 32, "CD" * 32, "cd" * 31 + "c\n", "cd" * 31 + "c ", "é" * 64),
    *("cd" * 64, "CD" * 64, "cd" * 63 + "c\n", " cd" * 42 + "cd", None, 1, []),
)
PAYMENT = {"receiver": BOB.ss58_address, "amount_rao": "1000"}
CHANGES: dict[str, tuple[Any, ...]] = {
    "genesis_hash": TEXTS,
    "signature": TEXTS,
    "signer": ADDRESSES,
    "nonce": NUMBERS,
    "last_valid_block": NUMBERS,
    "tip_rao": AMOUNTS,
    "call": ("transfer_all", "Transfer", "", None, []),
    "arguments": (
        *({**PAYMENT, "receiver": address} for address in ADDRESSES),
        *({**PAYMENT, "amount_rao": amount} for amount in AMOUNTS),
        *({**PAYMENT, "more": 1}, {"receiver": BOB.ss58_address}, [], None, "transfer", {1: 2}),
    ),
    "more": (None,),
}
"""By field, what a plain transfer may have there instead: some of it right, most of it not."""
SINGLE = [(name, value) for name, values in CHANGES.items() for value in values]


def tell(read: Any) -> Any:
    return (read.code, read.message) if isinstance(read, Refusal) else read


def read_by_schema(item: Any) -> Any:
    """Return what reading was before anything was read by hand."""
    try:
        return read_order(Extrinsic.model_validate(item))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "arguments"
        return Malformed(f"extrinsic: {place}: {first['msg']}")
    except Refusal as refusal:
        return refusal


def test_what_is_read_by_hand_is_what_the_schemas_make_of_it() -> None:
    plain = make_transfer()
    items = [{key: plain[key] for key in plain if key != name} for name in plain]
    items += [{**plain, name: value} for name, value in SINGLE]
    items += [{**plain, **dict(pair)} for pair in combinations(SINGLE, 2)]
    by_hand = 0
    for item in items:
        read, expected = read_transfer(item), read_by_schema(item)
        by_hand += read is not None
        assert read in (None, expected), item
        if isinstance(expected, Refusal):
            assert tell(judge_extrinsic(item)) == tell(expected), item
    assert by_hand > 100


def test_a_plain_transfer_is_read_by_hand_and_its_signature_counts() -> None:
    item = make_transfer()
    read = read_transfer(item)
    assert read is not None
    assert read == verify_order(Extrinsic.model_validate(item)) == judge_extrinsic(item)
    assert orjson.loads(read.body) == item
    spoiled = judge_extrinsic({**item, "nonce": 8})
    assert isinstance(spoiled, Refusal)
    assert spoiled.code == "Unauthenticated"


@pytest.fixture(scope="module")
def chain() -> SealedChain:
    return make_chain(accounts=10, blocks=2, transfers=20)


def test_a_chain_has_the_hashes_that_it_always_had(chain: SealedChain) -> None:
    blocks = list(check_chunks(chain.lines, workers=0))
    replay, _ = start_replay(blocks[0], AUTHOR.ss58_address)
    for sealed in blocks[1:]:
        replay.apply(sealed)
    assert replay.head.block_hash == chain.head.block_hash == HEAD_HASH


def test_a_bad_extrinsic_of_a_block_is_told_by_its_place(chain: SealedChain) -> None:
    told = json.loads(chain.lines[-1])
    wrong: list[Any] = [None, {}, "text", [*told["extrinsics"][:3], {"call": "transfer"}]]
    for items in wrong:
        line = orjson.dumps({**told, "extrinsics": items})
        with pytest.raises(ValidationError) as expected:
            EXTRINSICS.validate_python(items)
        with pytest.raises(BadBlock) as refused:
            list(check_chunks([line], workers=0))
        assert str(expected.value) in str(refused.value)
