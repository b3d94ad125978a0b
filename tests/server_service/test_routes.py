"""What a Server refuses, and with which word; each over real HTTP with a hand-made request."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
from tests.server_service.fake_chain import FakeChain
from tests.server_service.serving import RunningServer, Surroundings

from server_service.schemas import RequestKind
from server_service.tensors import pack_tensors
from taonet.kit import signing
from taonet.kit.keys import Keypair

PATH = RequestKind.NEXT.path
GOOD = pack_tensors({"tokens": np.arange(8).reshape(2, 4)}, {"top_k": "4"})


def sign(server: RunningServer, body: bytes, path: str = PATH) -> dict[str, str]:
    return signing.sign_request(server.caller, "POST", path, body, server.address.hotkey)


def post(
    server: RunningServer, body: bytes, headers: Mapping[str, str], path: str = PATH
) -> httpx.Response:
    return httpx.post(server.url + path, content=body, headers=dict(headers), timeout=10)


def refusal(response: httpx.Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert error["message"]
    return response.status_code, error["code"]


def refuse(server: RunningServer, body: bytes, path: str = PATH) -> tuple[int, str]:
    return refusal(post(server, body, sign(server, body, path), path))


def test_the_good_request_of_these_tests_is_answered(server: RunningServer) -> None:
    response = post(server, GOOD, headers := sign(server, GOOD))
    assert response.status_code == 200
    signing.verify_answer(
        response.headers[signing.SIGNATURE],
        response.content,
        headers[signing.SIGNATURE],
        server.address.hotkey,
    )


def test_an_unsigned_request_is_refused(server: RunningServer) -> None:
    assert refusal(post(server, GOOD, {})) == (401, "Unauthenticated")


@pytest.mark.parametrize(
    "header",
    [signing.HOTKEY, signing.RECEIVER, signing.NONCE, signing.TIMESTAMP, signing.SIGNATURE],
)
def test_a_signature_with_a_part_missing_is_refused(server: RunningServer, header: str) -> None:
    headers = sign(server, GOOD)
    for absent in ("", None):
        changed = {k: absent if k == header else v for k, v in headers.items()}
        present = {k: v for k, v in changed.items() if v is not None}
        assert refusal(post(server, GOOD, present)) == (401, "Unauthenticated")


def test_a_signature_over_another_body_is_refused(server: RunningServer) -> None:
    other = pack_tensors({"tokens": np.arange(8).reshape(1, 8)}, {"top_k": "4"})
    assert refusal(post(server, GOOD, sign(server, other))) == (401, "Unauthenticated")


def test_a_signature_over_another_path_is_refused(server: RunningServer) -> None:
    headers = sign(server, GOOD, RequestKind.EVERY.path)
    assert refusal(post(server, GOOD, headers)) == (401, "Unauthenticated")


def test_a_signature_of_another_key_is_refused(server: RunningServer) -> None:
    stranger = Keypair.create_from_uri("//Stranger")
    headers = signing.sign_request(stranger, "POST", PATH, GOOD, server.address.hotkey)
    headers[signing.HOTKEY] = server.caller.ss58_address
    assert refusal(post(server, GOOD, headers)) == (401, "Unauthenticated")


def test_an_old_request_is_refused(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(signing, "WINDOW_SECONDS", -1)
        assert refuse(server, GOOD) == (401, "Unauthenticated")


def test_a_replayed_request_is_refused(server: RunningServer) -> None:
    headers = sign(server, GOOD)
    assert post(server, GOOD, headers).status_code == 200
    assert refusal(post(server, GOOD, headers)) == (401, "Unauthenticated")


def test_a_request_for_another_receiver_is_refused(server: RunningServer) -> None:
    other = Keypair.create_from_uri("//Other").ss58_address
    headers = signing.sign_request(server.caller, "POST", PATH, GOOD, other)
    assert refusal(post(server, GOOD, headers)) == (403, "Forbidden")


def test_a_caller_that_is_not_registered_is_refused(server: RunningServer) -> None:
    stranger = Keypair.create_from_uri("//Stranger")
    headers = signing.sign_request(stranger, "POST", PATH, GOOD, server.address.hotkey)
    assert refusal(post(server, GOOD, headers)) == (403, "NotRegistered")


def tensors(array: Any, **options: str) -> bytes:
    return pack_tensors({"tokens": array}, options or {"top_k": "4"})


def corrupt(body: bytes) -> bytes:
    return body[:-3]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "Malformed"),
        (b"{}", 422, "Malformed"),
        (corrupt(GOOD), 422, "Malformed"),
        (pack_tensors({"other": np.arange(4)[None]}, {"top_k": "4"}), 422, "Malformed"),
        (tensors(np.full((1, 4), np.nan, np.float32)), 422, "Malformed"),
        (tensors(np.full((1, 4), np.inf, np.float32)), 422, "Malformed"),
        (tensors(np.zeros((1, 4), np.int32)), 422, "Malformed"),
        (tensors(np.zeros(4, np.int64)), 422, "Malformed"),
        (tensors(np.zeros((0, 4), np.int64)), 422, "Malformed"),
        (tensors(np.zeros((4, 0), np.int64)), 422, "Malformed"),
        (tensors(np.array([[1, 2048]])), 422, "Malformed"),
        (tensors(np.array([[1, -1]])), 422, "Malformed"),
        (tensors(np.array([[1, 2**63 - 1]])), 422, "Malformed"),
        (tensors(np.zeros((1, 4), np.int64), other="4"), 422, "Malformed"),
        (tensors(np.zeros((1, 4), np.int64), top_k="-4"), 422, "Malformed"),
        (tensors(np.zeros((1, 4), np.int64), top_k="0"), 422, "Malformed"),
        (tensors(np.zeros((1, 4), np.int64), top_k="1e3"), 422, "Malformed"),
        (tensors(np.zeros((1, 4), np.int64), top_k="2049"), 413, "TooLarge"),
        (tensors(np.zeros((65, 4), np.int64)), 413, "TooLarge"),
        (tensors(np.zeros((1, 257), np.int64)), 413, "TooLarge"),
    ],
)
def test_bodies_that_cannot_be_answered_are_refused(
    server: RunningServer, body: bytes, status: int, code: str
) -> None:
    assert (status, code) == refuse(server, body)


def test_an_answer_that_would_be_too_large_is_refused(server: RunningServer) -> None:
    body = tensors(np.zeros((64, 256), np.int64), top_k="2048")
    assert refuse(server, body, RequestKind.EVERY.path) == (413, "TooLarge")


def test_a_giant_body_is_refused_before_it_is_read(server: RunningServer) -> None:
    body = bytes(2_000_000)
    assert refuse(server, body) == (413, "TooLarge")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "Malformed"),
        (b"[]", 422, "Malformed"),
        (b'{"max_new_tokens":4}', 422, "Malformed"),
        (b'{"prompt":""}', 422, "Malformed"),
        (b'{"prompt_tokens":[]}', 422, "Malformed"),
        (b'{"prompt":"a","prompt_tokens":[1]}', 422, "Malformed"),
        (b'{"prompt_tokens":[[1]]}', 422, "Malformed"),
        (b'{"prompt_tokens":[2048]}', 422, "Malformed"),
        (b'{"prompt_tokens":[-1]}', 422, "Malformed"),
        (b'{"prompt_tokens":[1e400]}', 422, "Malformed"),
        (b'{"prompt":"a","temperature":NaN}', 422, "Malformed"),
        (b'{"prompt":"a","temperature":-1}', 422, "Malformed"),
        (b'{"prompt":"a","top_p":0}', 422, "Malformed"),
        (b'{"prompt":"a","stop":[""]}', 422, "Malformed"),
        (b'{"prompt":"a","best_of":3}', 422, "Malformed"),
        (b'{"prompt":"a","max_new_tokens":300}', 413, "TooLarge"),
        (b'{"prompt":"a","max_new_tokens":4000}', 413, "TooLarge"),
    ],
)
def test_texts_that_cannot_be_written_are_refused(
    server: RunningServer, body: bytes, status: int, code: str
) -> None:
    assert (status, code) == refuse(server, body, RequestKind.GENERATE.path)


def test_bad_requests_harm_nobody_else(server: RunningServer) -> None:
    nan, strange = tensors(np.full((1, 4), np.nan, np.float32)), tensors(np.array([[1, -1]]))
    wide = tensors(np.zeros((65, 4), np.int64))
    with ThreadPoolExecutor() as pool:
        bad, good = [], []
        for body in (b"", corrupt(GOOD), nan, strange, wide, bytes(2_000_000)) * 3:
            bad.append(pool.submit(refuse, server, body))
            good.append(pool.submit(post, server, GOOD, sign(server, GOOD)))
    assert {refused.result()[1] for refused in bad} == {"Malformed", "TooLarge"}
    assert {answered.result().status_code for answered in good} == {200}


def test_refusals_are_counted_by_kind_and_code(server: RunningServer) -> None:
    sample = 'taonet_server_requests_total{code="NotRegistered",kind="text-causal-lm-next"}'
    before = server.metric(sample)
    test_a_caller_that_is_not_registered_is_refused(server)
    assert before + 1 == server.metric(sample)


def test_a_full_queue_refuses_at_once(surroundings: Surroundings) -> None:
    with surroundings.run("full", SERVER_QUEUE_SIZE=0) as server:
        assert refuse(server, GOOD) == (429, "QueueFull")
        text = b'{"prompt":"a"}'
        assert refuse(server, text, RequestKind.GENERATE.path) == (429, "QueueFull")


def test_a_caller_that_asks_too_often_is_refused(surroundings: Surroundings) -> None:
    with surroundings.run("strict", SERVER_RATE_PER_SECOND=0.01, SERVER_RATE_BURST=1) as server:
        assert post(server, GOOD, sign(server, GOOD)).status_code == 200
        assert refuse(server, GOOD) == (429, "RateLimited")


def test_a_caller_with_too_little_stake_is_refused(surroundings: Surroundings) -> None:
    with surroundings.run("proud", SERVER_STAKE_FLOOR_RAO=1001) as server:
        assert refuse(server, GOOD) == (403, "StakeTooLow")


def test_a_kind_that_is_switched_off_is_refused(surroundings: Surroundings) -> None:
    with surroundings.run("narrow", SERVER_REQUESTS="generate") as server:
        assert refuse(server, GOOD) == (404, "SwitchedOff")


def test_without_redis_nothing_is_served(surroundings: Surroundings) -> None:
    with surroundings.run("forgetful", REDIS_URL="redis://127.0.0.1:1/0") as server:
        assert refuse(server, GOOD) == (503, "Unavailable")


def test_a_silent_chain_leaves_the_last_metagraph(
    surroundings: Surroundings, chain: FakeChain
) -> None:
    with surroundings.run("patient") as server:
        chain.failing = True
        try:
            with pytest.raises(Exception, match="500"):
                server.state.watch.turn()
            assert post(server, GOOD, sign(server, GOOD)).status_code == 200
        finally:
            chain.failing = False


@pytest.mark.parametrize("behaviour", ["noise", "constant"])
def test_misbehaving_servers_look_well_formed(
    surroundings: Surroundings, behaviour: str, server: RunningServer
) -> None:
    tokens = np.arange(8).reshape(2, 4)

    def ask(asked: RunningServer) -> Any:
        return asked.ask(
            lambda client: client.next_phrases(asked.address, tokens, top_k=4, timeout_seconds=5)
        )

    with surroundings.run(behaviour, SERVER_BEHAVIOUR=behaviour) as misbehaving:
        first, second = ask(misbehaving), ask(misbehaving)
    assert (first.ids == second.ids).all() == (behaviour == "constant")
    assert not np.array_equal(ask(server).ids, first.ids)
