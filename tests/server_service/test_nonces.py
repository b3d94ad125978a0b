"""Replays are refused without Redis too."""

import time

import pytest

from server_service.nonces import KEPT_SECONDS, LocalNonces
from taonet.kit.errors import Unauthenticated


def now_ms() -> int:
    return int(time.time() * 1000) + 1


def test_a_nonce_counts_once_for_each_caller() -> None:
    nonces = LocalNonces()
    nonces.claim("alice", "1", now_ms())
    nonces.claim("bob", "1", now_ms())
    with pytest.raises(Unauthenticated, match="before"):
        nonces.claim("alice", "1", now_ms())


def test_what_was_signed_before_a_restart_is_refused() -> None:
    signed = int(time.time() * 1000) - 1000
    with pytest.raises(Unauthenticated, match="before"):
        LocalNonces().claim("alice", "1", signed)


def test_old_nonces_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    nonces = LocalNonces()
    nonces.claim("alice", "1", now_ms())
    later = time.monotonic() + KEPT_SECONDS + 1
    monkeypatch.setattr("server_service.nonces.time.monotonic", lambda: later)
    nonces.claim("alice", "2", now_ms())
    assert len(nonces._seen) == 1
