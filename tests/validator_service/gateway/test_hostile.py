"""Neurons and consumers that mean harm: nobody else goes without."""

import asyncio
import contextlib
import itertools
import json
import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import openai
import pytest
from bittensor_wallet import Keypair

from validator_service.gateway.answering import count_tokens
from validator_service.gateway.prompts import encode_all

TAO = 10**9
LONG = "for name in names: print(name)\n" * 20


def ask(consumer: Any, model: str = "network/best", **changes: Any) -> Any:
    client = consumer.openai(max_retries=0, timeout=20)
    return client.completions.create(**{"model": model, "prompt": "def", "max_tokens": 4} | changes)


def test_an_address_that_no_url_holds_hides_one_neuron_alone(
    make_server: Any, tokenizer: Any, chain: Any, consumer: Any
) -> None:
    sound = make_server(text=tokenizer.encode(LONG).ids)
    stranger = Keypair.create_from_uri("//Stranger").ss58_address
    chain.add_neuron(stranger, axon={"ip": "2606:4700::1%é", "port": 8091})
    consumer.pay(TAO)

    assert ask(consumer).usage.server_uid == sound.uid


def test_a_member_of_an_ensemble_that_believes_nothing_is_left_out(
    make_server: Any, consumer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, empty = make_server(incentive=0.9), make_server(incentive=0.8)
    honest = empty.answer

    def believe_nothing(tokens: np.ndarray, top_k: int) -> dict[str, np.ndarray]:
        answer = honest(tokens, top_k)
        return {name: each if name == "ids" else 0 * each for name, each in answer.items()}

    monkeypatch.setattr(empty, "answer", believe_nothing)
    consumer.pay(TAO)

    assert ask(consumer, "network/ensemble").usage.server_uids == [sound.uid]


def test_a_consumer_in_a_hurry_takes_no_customers_from_a_server(
    make_server: Any, tokenizer: Any, consumer: Any
) -> None:
    text = tokenizer.encode(LONG).ids
    best = make_server(incentive=0.9, text=text, piece_seconds=0.02)
    make_server(incentive=0.1, text=text)
    consumer.pay(TAO)
    assert ask(consumer).usage.server_uid == best.uid

    for milliseconds, stream in itertools.product(("1", "30", "100"), (False, True)):
        with contextlib.suppress(openai.APIError):
            hurried = ask(
                consumer,
                f"server/{best.uid}",
                max_tokens=100,
                stream=stream,
                extra_headers={"taonet-timeout-ms": milliseconds},
            )
            list(hurried)

    assert ask(consumer).usage.server_uid == best.uid


def test_megabytes_that_came_as_a_few_tokens_are_not_cut(tokenizer: Any) -> None:
    longest = 16
    assert count_tokens("", 3, tokenizer, longest) == 0
    assert count_tokens("def add(", 300, tokenizer, longest) == len(
        tokenizer.encode("def add(").ids
    )
    assert count_tokens("def add(", 1, tokenizer, longest) == 1
    nobody: Any = None
    assert count_tokens("x" * 10**6, 300, nobody, longest) == 300


def test_long_texts_are_cut_beside_the_event_loop(tokenizer: Any) -> None:
    cut_in: list[threading.Thread] = []

    class Watched:
        def encode_batch(self, texts: list[str]) -> Any:
            cut_in.append(threading.current_thread())
            return tokenizer.encode_batch(texts)

    watched: Any = Watched()
    texts = ["def add(" * 1_500, "def"] * 2
    found = asyncio.run(encode_all(texts, watched))

    assert found == [tokenizer.encode(text).ids for text in texts]
    assert cut_in != [threading.current_thread()]


def test_a_server_has_one_name_and_so_one_price(
    make_server: Any, tokenizer: Any, consumer: Any
) -> None:
    uid = make_server(text=tokenizer.encode(LONG).ids).uid
    consumer.pay(TAO)

    ask(consumer, f"server/{uid}")
    for other in (f"server/0{uid}", f"server/{uid:09}", str(uid), f"server/{uid + 1}", "server/"):
        with pytest.raises(openai.NotFoundError):
            ask(consumer, other)


def test_a_cap_that_no_balance_reaches_is_refused(consumer: Any) -> None:
    with pytest.raises(Exception, match="cap_rao"):
        consumer.gateway.create_key(consumer.keypair, cap_rao=10**20 - 1)
    consumer.gateway.create_key(consumer.keypair, cap_rao=2**63 - 1)

    assert len(consumer.gateway.keys(consumer.keypair)) == 2


QUESTIONS = {
    "chat/completions": '"messages": [{"role": "user", "content": "x"}]',
    "completions": '"prompt": "x"',
    "embeddings": '"input": "x"',
}
ODD = [
    r'"\ud800": 1',
    r'"foo": "\ud800"',
    r'"model": "\ud800"',
    r'"model": "\u0000"',
    r'"stream_options": {"\ud800": 1}',
    r'"foo": ' + "[" * 3000 + "]" * 3000,
    r'"foo": 1' + "0" * 5000,
    r'"foo": NaN',
]


def test_letters_and_numbers_of_any_kind_are_refused(consumer: Any) -> None:
    headers = {"authorization": f"Bearer {consumer.key.api_key}"}
    headers["content-type"] = "application/json"
    for (path, question), odd in itertools.product(QUESTIONS.items(), ODD):
        url, body = f"{consumer.gateway.url}/v1/{path}", f"{{{question}, {odd}}}"
        status = httpx.post(url, content=body.encode(), headers=headers, timeout=20).status_code
        assert 400 <= status < 500, (path, odd[:40])


def drop_a_body(url: str, every_seconds: float, seconds_max: float) -> bytes:
    """Send a body letter by letter until the other side hangs up; return what it said."""
    address = urlsplit(url)
    deadline = time.monotonic() + seconds_max
    head = "host: gateway\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n"
    said = b""
    with socket.create_connection((address.hostname, address.port)) as line:
        line.settimeout(every_seconds)
        line.sendall(f"POST /v1/chat/completions HTTP/1.1\r\n{head}".encode())
        while time.monotonic() < deadline:
            try:
                with contextlib.suppress(TimeoutError):
                    if not (heard := line.recv(10_000)):
                        return said
                    said += heard
                line.sendall(b" ")
            except ConnectionError:  # A drop met a connection that was closed just then.
                return said
    raise AssertionError("the connection is held for as long as drops come")


def test_a_body_that_comes_drop_by_drop_is_cut_off(
    environment: dict[str, str], start_gateway: Any
) -> None:
    with start_gateway({**environment, "TAONET_VALIDATOR_BODY_SECONDS": "0.5"}) as url:
        head, _, body = drop_a_body(url, every_seconds=0.1, seconds_max=8).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head
    error = json.loads(body)["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "request_timeout")
    assert "0.5 s" in error["message"]


def test_a_body_that_is_too_large_is_refused_in_openais_words(consumer: Any) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        ask(consumer, prompt="x" * 1_000_001)

    assert (caught.value.status_code, caught.value.code) == (413, "request_too_large")
