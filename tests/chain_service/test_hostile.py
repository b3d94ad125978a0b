"""Whatever is sent that is not a good extrinsic is refused by name, and changes nothing."""

import contextlib
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.chain_service.conftest import RunningChain, enrich, key, take_out

from chain_service.orders import read_arguments
from chain_service.schemas import ARGUMENTS
from chain_service.signing import sign_extrinsic
from taonet.kit.errors import Refusal

ALICE, BOB = key("Alice"), key("Bob")
SERVER, VALIDATOR = key("server"), key("validator")
MANY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=60)
    | st.sampled_from(["", "0" * 64, "ff" * 64, "-1", "1e9", str(10**30), ALICE.ss58_address])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=8,
)


@pytest.fixture
def rich(chain: RunningChain) -> RunningChain:
    enrich(chain.client, ALICE, SERVER, VALIDATOR)
    take_out(chain.client, ALICE, SERVER, 500_000_000)
    return chain


def sign(chain: RunningChain, **changes: Any) -> dict[str, Any]:
    head = chain.client.head()
    values: dict[str, Any] = {
        "genesis_hash": head.genesis_hash,
        "nonce": chain.client.account(ALICE.ss58_address).nonce,
        "last_valid_block": head.height + 5_000,
        "call": "transfer",
        "arguments": {"receiver": BOB.ss58_address, "amount_rao": 1000},
        "tip_rao": 0,
    }
    return sign_extrinsic(ALICE, **(values | changes)).model_dump(mode="json")


def snapshot(chain: RunningChain) -> list[Any]:
    """Everything that an extrinsic could have changed."""
    return [
        chain.query("SELECT * FROM account ORDER BY address"),
        chain.query("SELECT count(*) FROM mempool"),
        chain.query("SELECT count(*) FROM extrinsic"),
        chain.query("SELECT uid, hotkey, coldkey, ip, port, take FROM neuron ORDER BY uid"),
    ]


def test_no_bytes_and_no_json_upset_the_chain(rich: RunningChain) -> None:
    before = snapshot(rich)
    with httpx.Client(base_url=f"http://127.0.0.1:{rich.port}", timeout=30) as http:

        @MANY
        @given(st.binary(max_size=300) | VALUES.map(lambda value: json.dumps(value).encode()))
        def refuse(body: bytes) -> None:
            answer = http.post("/extrinsics", content=body)
            assert answer.status_code in (401, 413, 422), answer.text
            assert answer.json()["error"]["message"]
            answer = http.post("/extrinsics/batch", content=body)
            assert answer.status_code in (202, 422), answer.text
            if answer.status_code == 202:
                assert all(entry["error"]["message"] for entry in answer.json())

        refuse()
        nested = "[" * 5000 + "]" * 5000
        deep = json.loads('{"call":"transfer","arguments":{"a":' + "[" * 400 + "]" * 400 + "}}")
        for body in (nested, "[" + nested + "]", json.dumps(deep), json.dumps([deep] * 200)):
            for path in ("/extrinsics", "/extrinsics/batch"):
                assert http.post(path, content=body).status_code in (202, 422)
    assert snapshot(rich) == before


def test_a_good_extrinsic_with_anything_changed_is_refused(rich: RunningChain) -> None:
    good = sign(rich)
    before = snapshot(rich)
    with httpx.Client(base_url=f"http://127.0.0.1:{rich.port}", timeout=30) as http:

        @MANY
        @given(st.sampled_from([*good, "more", "arguments.receiver", "arguments.more"]), VALUES)
        def refuse(place: str, value: Any) -> None:
            changed = json.loads(json.dumps(good))
            name, _, inner = place.partition(".")
            holder, last = (changed[name], inner) if inner else (changed, name)
            # An amount may also be written as a number: 0 is the tip "0".
            if str(holder.get(last, refuse)) == str(value):
                return
            holder[last] = value
            answer = http.post(
                "/extrinsics", content=json.dumps(changed).encode("utf-8", "replace")
            )
            assert answer.status_code in (401, 409, 422), (changed, answer.text)

        @MANY
        @given(st.integers(0, 127), st.integers(1, 15))
        def refuse_flipped(position: int, change: int) -> None:
            signature = list(good["signature"])
            signature[position] = f"{int(signature[position], 16) ^ change:x}"
            answer = http.post("/extrinsics", json={**good, "signature": "".join(signature)})
            assert answer.json()["error"]["code"] == "Unauthenticated"

        refuse()
        refuse_flipped()
    assert snapshot(rich) == before


def test_what_is_signed_well_and_still_wrong_is_refused_by_name(rich: RunningChain) -> None:
    nonce, height = rich.client.account(ALICE.ss58_address).nonce, rich.client.head().height
    free = rich.client.account(ALICE.ss58_address).free_rao
    before = snapshot(rich)
    cases: list[tuple[dict[str, Any], str]] = [
        *(({"nonce": wrong}, "WrongNonce") for wrong in (0, nonce - 1, nonce + 1, 2**53 - 1)),
        *(({"last_valid_block": past}, "Expired") for past in (0, height - 1, height)),
        ({"last_valid_block": height + 10_000_000}, "ValidTooLong"),
        ({"tip_rao": free}, "InsufficientBalance"),
        ({"tip_rao": 10**20 - 1}, "InsufficientBalance"),
        ({"genesis_hash": "ab" * 32}, "WrongGenesis"),
    ]
    with httpx.Client(base_url=f"http://127.0.0.1:{rich.port}", timeout=30) as http:
        for changes, code in cases:
            answer = http.post("/extrinsics", json=sign(rich, **changes))
            assert answer.json()["error"]["code"] == code, changes
        large = [{"call": "transfer", "arguments": {"receiver": "5" * 9_000}}] * 64
        answer = http.post("/extrinsics", json={**sign(rich), "call": "batch", "arguments": large})
        assert answer.status_code == 422
        oversized = {**sign(rich), "arguments": {"receiver": "5" * 400_000}}
        assert http.post("/extrinsics", json=oversized).json()["error"]["code"] == "TooLarge"
    assert snapshot(rich) == before


@MANY
@given(st.sampled_from(sorted(ARGUMENTS)), VALUES)
def test_arguments_are_read_or_refused(call: str, value: Any) -> None:
    """No value of a call's arguments, well signed or not, ends in anything but a refusal."""
    with contextlib.suppress(Refusal):
        read_arguments(call, value)
