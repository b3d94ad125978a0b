"""Callers that mean harm: whatever they send, others are served and nothing is kept."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import httpx
import numpy as np
import orjson
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.server_service.serving import RunningServer, Surroundings, wait_until
from tests.server_service.test_routes import GOOD, PATH, post, sign

from server_service import patience, routes
from server_service.schemas import RequestKind
from server_service.tensors import pack_tensors

GENERATE = RequestKind.GENERATE.path
REFUSED = {401, 403, 408, 413, 422, 429, 503, 504}
FUZZ = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(allow_nan=True, allow_infinity=True), st.none()
)
FIELDS = ("max_new_tokens", "temperature", "top_p", "top_k", "seed", "logprobs", "stop", "prompt")


def is_served(server: RunningServer) -> bool:
    return post(server, GOOD, sign(server, GOOD)).status_code == 200


def connect(server: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.address.port), timeout=10)


@FUZZ
@given(body=st.binary(max_size=400))
def test_bytes_of_no_kind_are_refused(server: RunningServer, body: bytes) -> None:
    for path in (PATH, GENERATE):
        assert post(server, body, sign(server, body, path), path).status_code in REFUSED


@FUZZ
@given(place=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
def test_a_good_body_with_one_byte_changed_is_answered_or_refused(
    server: RunningServer, place: int, byte: int
) -> None:
    body = GOOD[:place] + bytes([byte]) + GOOD[place + 1 :]
    assert post(server, body, sign(server, body)).status_code in REFUSED | {200}


@FUZZ
@given(
    ids=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=12),
    top_k=st.text(max_size=12),
)
def test_ids_and_options_out_of_range_are_refused(
    server: RunningServer, ids: list[int], top_k: str
) -> None:
    body = pack_tensors({"tokens": np.array([ids], dtype=np.int64)}, {"top_k": top_k})
    assert post(server, body, sign(server, body)).status_code in REFUSED | {200}


@FUZZ
@given(fields=st.dictionaries(st.sampled_from(FIELDS), NUMBERS))
def test_wishes_of_any_number_are_answered_or_refused(
    server: RunningServer, fields: dict[str, object]
) -> None:
    wish = {"prompt": "x", "max_new_tokens": 1, **fields}
    try:
        body = orjson.dumps(wish)
    except TypeError:  # larger than JSON's numbers here
        body = repr(wish).encode()
    assert post(server, body, sign(server, body, GENERATE), GENERATE).status_code in REFUSED | {200}


def test_not_a_number_is_no_token(server: RunningServer) -> None:
    tokens = np.full((1, 4), np.nan, np.float32)
    body = pack_tensors({"tokens": tokens}, {"top_k": "4"})
    assert post(server, body, sign(server, body)).status_code == 422


def test_a_head_that_never_ends_is_cut_off(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HEAD_SECONDS_MAX", 0.3)
    with connect(server) as slow:
        slow.sendall(b"POST /v1/generate HTTP/1.1\r\nhost: x\r\nx-a: b")
        assert slow.recv(100) == b""
    assert is_served(server)


def test_a_body_that_never_ends_is_cut_off(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "BODY_SECONDS_MAX", 0.3)
    with connect(server) as slow:
        slow.sendall(b"POST /v1/generate HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        assert b"408" in slow.recv(100)
    assert is_served(server)


def test_a_body_without_a_length_is_bounded_too(server: RunningServer) -> None:
    def flood() -> Iterator[bytes]:
        for _ in range(40):
            yield bytes(50_000)

    with contextlib.suppress(httpx.WriteError):  # cut off while it was still sending
        assert httpx.post(server.url + PATH, content=flood(), timeout=10).status_code == 413
    assert is_served(server)


def raw_wish(server: RunningServer, new_tokens: int) -> bytes:
    body = orjson.dumps({"prompt": "import", "max_new_tokens": new_tokens, "temperature": 1.5})
    headers = sign(server, body, GENERATE)
    lines = [f"POST {GENERATE} HTTP/1.1", "host: x", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_a_caller_that_vanishes_leaves_nothing_behind(server: RunningServer) -> None:
    for _ in range(10):
        with connect(server) as caller:
            caller.sendall(raw_wish(server, 200))
            caller.recv(200)
            # Reset, as by a machine that was switched off.
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
    wait_until(lambda: not server.state.model.busy, seconds=10)
    assert is_served(server)


def test_a_caller_that_vanishes_in_its_body_is_no_mistake_of_ours(server: RunningServer) -> None:
    before = server.metric('taonet_server_requests_total{code="CallerGone",kind="generate"}')
    with connect(server) as caller:
        caller.sendall(raw_wish(server, 5)[:-5])
    name = 'taonet_server_requests_total{code="CallerGone",kind="generate"}'
    wait_until(lambda: server.metric(name) == before + 1, seconds=10)


def test_half_closed_connections_are_not_kept(server: RunningServer) -> None:
    process = psutil.Process()
    before = process.num_fds()
    callers = [connect(server) for _ in range(20)]
    for caller in callers:
        caller.shutdown(socket.SHUT_WR)
    wait_until(lambda: all(caller.recv(1) == b"" for caller in callers), seconds=15)
    for caller in callers:
        caller.close()
    wait_until(lambda: process.num_fds() <= before + 5, seconds=10)


@pytest.mark.alone
def test_others_are_served_while_many_do_harm(surroundings: Surroundings) -> None:
    with surroundings.run("besieged", SERVER_RATE_PER_SECOND=1000) as server:
        harming = threading.Event()

        def harm() -> None:
            while not harming.is_set():
                with connect(server) as caller:
                    caller.sendall(raw_wish(server, 200)[:-20])

        threads = [threading.Thread(target=harm) for _ in range(4)]
        for thread in threads:
            thread.start()
        answered = [is_served(server) for _ in range(8)]
        harming.set()
        for thread in threads:
            thread.join()
    assert all(answered)


def test_stake_floors_differ_by_kind(surroundings: Surroundings) -> None:
    floors = "text-causal-lm-next=2000,generate=500"
    with surroundings.run("choosy", SERVER_STAKE_FLOORS=floors) as server:
        refused = post(server, GOOD, sign(server, GOOD))
        wish = b'{"prompt": "x", "max_new_tokens": 1}'
        answered = post(server, wish, sign(server, wish, GENERATE), GENERATE)
    assert refused.json()["error"]["code"] == "StakeTooLow"
    assert answered.status_code == 200
