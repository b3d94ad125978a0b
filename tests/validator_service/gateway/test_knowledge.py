"""Embeddings by the unmodified `openai` client, and the network's own kinds of knowledge."""

import base64
from typing import Any

import httpx
import numpy as np
import openai
import pytest

TAO = 10**9
INPUTS = ["def add(first", "for name in names:"]


def post(consumer: Any, path: str, **body: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {consumer.key.api_key}"}
    return httpx.post(f"{consumer.gateway.url}/v1/{path}", json=body, headers=headers)


def test_embeddings_are_means_paid_per_token(
    make_server: Any, consumer: Any, tokenizer: Any
) -> None:
    model = f"server/{make_server().uid}"
    consumer.pay(TAO)
    client = consumer.openai()

    found = client.embeddings.create(model=model, input=INPUTS)
    floats = client.embeddings.create(model=model, input=INPUTS, encoding_format="float")
    one = client.embeddings.create(model="network/best", input=tokenizer.encode(INPUTS[1]).ids)

    tokens = [tokenizer.encode(text).ids for text in INPUTS]
    expected = [[np.mean(ids), (len(ids) - 1) / 2] for ids in tokens]
    assert np.allclose([item.embedding for item in found.data], expected)
    assert np.allclose([item.embedding for item in floats.data], expected)
    assert np.allclose(one.data[0].embedding, expected[1])
    count = sum(len(ids) for ids in tokens)
    assert found.usage.prompt_tokens == found.usage.total_tokens == count
    paid = 2 * 100 * count + 100 * len(tokens[1])
    assert TAO - consumer.account().balance_rao == paid
    assert consumer.account().reserved_rao == 0


def test_a_failing_server_is_replaced_and_nobody_else_costs_nothing(
    make_server: Any, consumer: Any
) -> None:
    failing = make_server(incentive=0.9, behaviour="garbage")
    sound = make_server(incentive=0.1)
    consumer.pay(TAO)

    raw = consumer.openai().embeddings.with_raw_response.create(model="network/best", input="x")
    assert raw.headers["x-taonet-server"] == str(sound.uid)
    spent = TAO - consumer.account().balance_rao
    with pytest.raises(openai.InternalServerError, match="nothing was charged"):
        consumer.openai(max_retries=0).embeddings.create(model=f"server/{failing.uid}", input="x")
    assert TAO - consumer.account().balance_rao == spent == 100
    assert consumer.account().reserved_rao == 0


def test_what_comes_next_is_told_with_its_probability(
    make_server: Any, consumer: Any, followers: Any, tokenizer: Any
) -> None:
    make_server()
    consumer.pay(TAO)

    answer = post(consumer, "knowledge/next", prompt="def add(", top_k=3)

    body, last = answer.json(), tokenizer.encode("def add(").ids[-1]
    best = np.sort(followers[last])[::-1][:3]
    told = [each["probability"] for each in body["continuations"]]
    assert np.allclose(told, best)
    assert body["continuations"][0]["tokens"] == [int(np.argmax(followers[last]))]
    assert body["floor"] == pytest.approx((1 - best.sum()) / (len(followers) - 3), abs=1e-6)
    assert body["usage"]["completion_tokens"] == 0
    assert TAO - consumer.account().balance_rao == int(body["usage"]["cost_rao"])
    assert answer.headers["x-ratelimit-limit-requests"] == "600"


def test_hidden_states_come_as_numbers_or_bytes(
    make_server: Any, consumer: Any, tokenizer: Any
) -> None:
    make_server()
    consumer.pay(TAO)
    ids = tokenizer.encode("def add(").ids

    plain = post(consumer, "knowledge/hidden", prompt="def add(").json()
    packed = post(consumer, "knowledge/hidden", prompt=ids, encoding_format="base64").json()

    assert plain["shape"] == [len(ids), 2]
    assert plain["tokens"] == ids
    assert plain["hidden"] == [[float(token), float(place)] for place, token in enumerate(ids)]
    numbers = np.frombuffer(base64.b64decode(packed["hidden"]), "<f4")
    assert numbers.reshape(packed["shape"]).tolist() == plain["hidden"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("embeddings", {"input": "x", "dimensions": 5}, "dimensions"),
        ("embeddings", {"input": ""}, "input"),
        ("embeddings", {"input": []}, "input"),
        ("embeddings", {"input": ["x"] * 65}, "input"),
        ("embeddings", {"input": [10**6]}, "input"),
        ("embeddings", {"input": "x", "encoding_format": "int8"}, "encoding_format"),
        ("knowledge/next", {"prompt": "x", "top_k": 0}, "top_k"),
        ("knowledge/next", {"prompt": "x", "temperature": 1}, "temperature"),
        ("knowledge/hidden", {"prompt": ["x", "y"]}, "prompt"),
    ],
)
def test_what_is_not_honoured_is_refused_by_name(
    make_server: Any, consumer: Any, path: str, body: dict[str, Any], param: str
) -> None:
    make_server()

    answer = post(consumer, path, **body)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
