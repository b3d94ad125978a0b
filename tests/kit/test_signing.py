import time

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from taonet.kit import signing
from taonet.kit.errors import Forbidden, Malformed, Refusal, Unauthenticated
from taonet.kit.keys import Keypair

ALICE = Keypair.create_from_uri("//Alice")
BOB = Keypair.create_from_uri("//Bob")


def signed(body: bytes = b"hello") -> dict[str, str]:
    return signing.sign_request(ALICE, "POST", "/v1/ask", body, BOB.ss58_address)


def verify(headers: dict[str, str], body: bytes = b"hello", path: str = "/v1/ask") -> str:
    return signing.verify_request(headers, "POST", path, body, BOB.ss58_address)


def test_a_signed_request_names_its_signer() -> None:
    assert ALICE.ss58_address == verify(signed())


@pytest.mark.parametrize("header", [signing.HOTKEY, signing.SIGNATURE, signing.NONCE])
def test_a_missing_header_is_refused(header: str) -> None:
    headers = signed() | {header: ""}
    with pytest.raises(Unauthenticated, match=f"header {header} is missing"):
        verify(headers)


def test_a_signature_holds_for_one_body_and_one_path() -> None:
    with pytest.raises(Unauthenticated):
        verify(signed(), body=b"hello!")
    with pytest.raises(Unauthenticated):
        verify(signed(), path="/v1/other")


def test_a_request_for_another_receiver_is_refused() -> None:
    headers = signing.sign_request(ALICE, "POST", "/v1/ask", b"", ALICE.ss58_address)
    with pytest.raises(Forbidden):
        verify(headers, b"")


@pytest.mark.parametrize("timestamp", ["²", "٣", "1" * 5000, "-1", "1e3", ""])
def test_a_time_that_is_no_number_is_refused(timestamp: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(signed() | {signing.TIMESTAMP: timestamp})


def test_a_signer_has_one_address() -> None:
    """Under another prefix the same request would be another caller's, and answered twice."""
    other = "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5"  # Alice's under the prefix 0
    with pytest.raises(Malformed, match=ALICE.ss58_address):
        verify(signed() | {signing.HOTKEY: other})


def test_another_hotkey_cannot_claim_a_signature() -> None:
    with pytest.raises(Unauthenticated):
        verify(signed() | {signing.HOTKEY: BOB.ss58_address})


@pytest.mark.parametrize("shift", [-9, 9])
def test_a_stale_clock_is_refused(shift: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    headers = signed()
    monkeypatch.setattr(time, "time", lambda: now + shift)
    with pytest.raises(Unauthenticated, match="check the clock"):
        verify(headers)


@given(st.dictionaries(st.sampled_from(sorted(signed())), st.text(max_size=80), min_size=1))
def test_hostile_headers_are_refused_and_never_an_error(changes: dict[str, str]) -> None:
    with pytest.raises(Refusal):
        verify(signed() | changes)


def test_a_nonce_is_taken_once(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        signing.claim_nonce(client, ALICE.ss58_address, "abc")
        signing.claim_nonce(client, BOB.ss58_address, "abc")
        with pytest.raises(Unauthenticated, match="answered before"):
            signing.claim_nonce(client, ALICE.ss58_address, "abc")


def test_an_answer_belongs_to_its_request() -> None:
    signature = signing.sign_answer(BOB, b"42", "the request")
    signing.verify_answer(signature, b"42", "the request", BOB.ss58_address)
    for body, request, hotkey in [
        (b"43", "the request", BOB),
        (b"42", "another request", BOB),
        (b"42", "the request", ALICE),
    ]:
        with pytest.raises(Unauthenticated):
            signing.verify_answer(signature, body, request, hotkey.ss58_address)
    with pytest.raises(Unauthenticated, match="not signed"):
        signing.verify_answer(None, b"42", "the request", BOB.ss58_address)
