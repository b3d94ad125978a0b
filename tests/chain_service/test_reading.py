"""A transfer read by hand is what the schemas make of it; what they refuse, they refuse."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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
HEAD_HASH = "7025c0eb9921f88abb01ecbec95973dfc0ae76406d5236db640a12b00f2af0e1"
"""Of the chain below, as it came out before anything was read by hand or compiled."""
MANY = settings(max_examples=300, deadline=None)


def make_transfer(**changes: Any) -> dict[str, Any]:
    arguments = {"receiver": BOB.ss58_address, "amount_rao": "1000"}
    signed = sign_extrinsic(ALICE, "ab" * 32, 7, 100, "transfer", arguments, tip_rao=5)
    return {**signed.model_dump(mode="json"), **changes}


NUMBERS = st.sampled_from([-1, 0, 1, True, 1.0, SAFE_INTEGER_MAX, SAFE_INTEGER_MAX + 1, "1", None])
AMOUNTS = st.sampled_from(
    ["0", "007", "9" * 20, "9" * 21, "", "-1", "+1", "1.0", "1 ", "1\n", "²", "١", 5, -5, 2.5, True]
)
TEXTS: st.SearchStrategy[Any] = st.sampled_from(
    ["", "a", "0" * 64, "0" * 63 + "\n", "AB" * 32, "ab" * 64, "a b" * 43, "é" * 64, None, 1, []]
)
ADDRESSES = st.sampled_from(
    [
        ALICE.ss58_address,
        ALICE.ss58_address + "\n",
        f" {ALICE.ss58_address}",
        ALICE.ss58_address[:-1] + "1",
        "0x" + "ab" * 32,
        "5" * 48,
        "é" * 48,
        None,
        7,
    ]
)
ARGUMENTS: st.SearchStrategy[Any] = st.one_of(
    st.fixed_dictionaries(
        {}, optional={"receiver": ADDRESSES, "amount_rao": AMOUNTS, "more": st.just(1)}
    ),
    st.sampled_from([[], None, "transfer", {1: 2}]),
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "genesis_hash": TEXTS,
        "signer": ADDRESSES,
        "nonce": NUMBERS,
        "last_valid_block": NUMBERS,
        "tip_rao": AMOUNTS,
        "call": st.sampled_from(["transfer", "transfer_all", "Transfer", "", None, []]),
        "arguments": ARGUMENTS,
        "signature": TEXTS,
        "more": st.none(),
    },
)


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


@MANY
@given(CHANGES, st.sets(st.sampled_from(sorted(make_transfer())), max_size=1))
def test_what_is_read_by_hand_is_what_the_schemas_make_of_it(
    changes: dict[str, Any], left_out: set[str]
) -> None:
    item = make_transfer(**changes)
    for name in left_out:
        item.pop(name)
    read, expected = read_transfer(item), read_by_schema(item)
    if read is not None:
        assert read == expected
    if isinstance(expected, Refusal):
        assert tell(judge_extrinsic(item)) == tell(expected)


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
