from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taonet.kit.errors import Malformed, Unauthenticated
from taonet.kit.keys import (
    Keypair,
    check_address,
    check_signature,
    ensure_wallet,
    load_coldkey,
    load_hotkey,
)


def test_a_wallet_is_made_once_and_stays(tmp_path: Path) -> None:
    ensure_wallet(tmp_path, "operator", ["server-1"])
    before = load_hotkey(str(tmp_path), "operator", "server-1").ss58_address
    ensure_wallet(tmp_path, "operator", ["server-1", "server-2"])

    assert before == load_hotkey(str(tmp_path), "operator", "server-1").ss58_address
    assert before != load_hotkey(str(tmp_path), "operator", "server-2").ss58_address
    modes = {file.stat().st_mode & 0o077 for file in (tmp_path / "operator").rglob("*")}
    assert {0} == modes


def test_an_encrypted_coldkey_opens_with_its_password_only(tmp_path: Path) -> None:
    ensure_wallet(tmp_path, "owner", [], password="correct horse battery")

    load_coldkey(str(tmp_path), "owner", "correct horse battery")
    with pytest.raises(Exception, match=r"(?i)password|decrypt"):
        load_coldkey(str(tmp_path), "owner", "wrong")


@pytest.mark.parametrize("bad", ["", "5Grw", "http://example", "5" * 48])
def test_what_is_not_an_address_is_refused(bad: str) -> None:
    with pytest.raises(Malformed):
        check_address(bad)


def test_an_address_of_another_network_is_refused_and_the_own_one_named() -> None:
    """Alice's key under the prefixes 0, 2 and 64: three more accounts, if they were taken."""
    for other in (
        "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5",
        "HNZata7iMYWmk5RvZRTiAsSDhV8366zq2YGb3tLH5Upf74F",
        "cEaNSpz4PxFcZ7nT1VEKrKewH67rfx6MfcM6yKojyyPz7qaqp",
    ):
        with pytest.raises(Malformed, match="here this key is 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHp"):
            check_address(other)


def test_a_signature_of_another_length_is_refused() -> None:
    alice = Keypair.create_from_uri("//Alice")
    check_signature(alice.ss58_address, b"x", bytes(alice.sign(b"x")).hex())
    for bad in ["", "00", "zz" * 64, "00" * 64]:
        with pytest.raises(Unauthenticated):
            check_signature(alice.ss58_address, b"x", bad)


ALICE = Keypair.create_from_uri("//Alice")


@given(st.binary(max_size=40), st.integers(0, 63), st.integers(0, 255))
def test_the_faster_library_says_what_the_ecosystems_own_says(
    message: bytes, place: int, value: int
) -> None:
    signature = bytearray(ALICE.sign(message))
    check_signature(ALICE.ss58_address, message, signature.hex())
    signature[place] = value
    try:
        expected = bool(ALICE.verify(message, bytes(signature)))
    except Exception:
        expected = False
    try:
        check_signature(ALICE.ss58_address, message, signature.hex())
        found = True
    except Unauthenticated:
        found = False
    assert found == expected


def test_a_signature_as_browser_extensions_make_it_is_taken() -> None:
    wrapped = bytes(ALICE.sign(b"<Bytes>" + b"x" * 32 + b"</Bytes>"))
    check_signature(ALICE.ss58_address, b"x" * 32, wrapped.hex())
