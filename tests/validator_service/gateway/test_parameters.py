"""Every parameter that is accepted reaches the Server, or shapes the answer."""

from typing import Any

import httpx
import openai
import pytest

TAO = 10**9
CHAT: Any = [{"role": "user", "content": "Add.", "name": "bob"}]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"sum": {"type": "integer"}},
    "required": ["sum"],
    "additionalProperties": False,
}


@pytest.fixture
def server(make_server: Any, tokenizer: Any) -> Any:
    return make_server(incentive=0.5, text=tokenizer.encode(" return first").ids)


def test_wishes_reach_the_server(server: Any, consumer: Any, tokenizer: Any) -> None:
    consumer.pay(TAO)
    client = consumer.openai()

    client.chat.completions.create(
        model="server/0",
        messages=CHAT,
        frequency_penalty=0.5,
        presence_penalty=-0.25,
        logit_bias={"7": 10},
        seed=-1,
        stop=["x"],
        top_p=0.5,
        max_completion_tokens=9,
        response_format={"type": "json_schema", "json_schema": {"name": "sum", "schema": SCHEMA}},
    )
    client.chat.completions.create(
        model="server/0", messages=CHAT, response_format={"type": "json_object"}
    )

    first, second = server.wishes
    assert (first.frequency_penalty, first.presence_penalty) == (0.5, -0.25)
    assert first.logit_bias == {7: 10}
    assert first.stop == ["x"]
    assert (first.seed, first.top_p, first.max_new_tokens) == (2**63 - 1, 0.5, 9)
    assert first.json_schema == SCHEMA
    assert second.json_schema == {"type": "object"}
    assert "# user bob: Add." in tokenizer.decode(first.prompt_tokens)


def test_a_schema_that_nobody_can_write_by_is_refused(server: Any, consumer: Any) -> None:
    wrong: Any = {"name": "x", "schema": {"type": "nonsense"}}

    with pytest.raises(openai.BadRequestError, match="nonsense") as caught:
        consumer.openai().chat.completions.create(
            model="server/0",
            messages=CHAT,
            response_format={"type": "json_schema", "json_schema": wrong},
        )

    assert caught.value.param == "response_format"
    assert server.wishes == []


def test_several_prompts_are_written_at_once_and_echoed(server: Any, consumer: Any) -> None:
    consumer.pay(TAO)
    prompts = ["def add(", "while not"]

    found = consumer.openai().completions.create(
        model="server/0", prompt=prompts, n=2, echo=True, max_tokens=5
    )
    streamed = ["", ""]
    for chunk in consumer.openai().completions.create(
        model="server/0", prompt=prompts, echo=True, max_tokens=5, stream=True
    ):
        streamed[chunk.choices[0].index] += chunk.choices[0].text

    texts = [choice.text for choice in found.choices]
    assert [choice.index for choice in found.choices] == [0, 1, 2, 3]
    assert texts[0] == texts[1]
    assert [text.startswith("def add(") for text in texts] == [True, True, False, False]
    assert streamed == [texts[0], texts[2]]


def test_echo_with_logprobs_and_too_many_texts_are_refused(server: Any, consumer: Any) -> None:
    create = consumer.openai().completions.create

    with pytest.raises(openai.BadRequestError, match="echo"):
        create(model="server/0", prompt="x", echo=True, logprobs=1)
    with pytest.raises(openai.BadRequestError, match="at most 16 texts"):
        create(model="server/0", prompt=["x"] * 9, n=2)


def test_tokens_are_limited_and_told(
    environment: dict[str, str], server: Any, start_gateway: Any, consumer: Any
) -> None:
    consumer.pay(TAO)
    with start_gateway({**environment, "TAONET_VALIDATOR_TOKENS_PER_MINUTE": "60"}) as url:
        client = consumer.openai(base_url=f"{url}/v1", max_retries=0)
        raw = client.completions.with_raw_response.create(
            model="server/0", prompt="def", max_tokens=20
        )
        with pytest.raises(openai.RateLimitError, match="60 tokens a minute") as caught:
            client.completions.create(model="server/0", prompt="def", max_tokens=59)

    used = raw.parse().usage.total_tokens
    assert raw.headers["x-ratelimit-limit-tokens"] == "60"
    assert 60 - used <= int(raw.headers["x-ratelimit-remaining-tokens"]) <= 61 - used
    assert int(caught.value.response.headers["retry-after"]) > 0
    assert consumer.account().reserved_rao == 0


def test_a_call_under_one_idempotency_key_happens_once(server: Any, consumer: Any) -> None:
    consumer.pay(TAO)
    create = consumer.openai(max_retries=0).completions.with_raw_response.create
    asked: Any = {"model": "server/0", "prompt": "def add(", "max_tokens": 5}

    first = create(**asked, extra_headers={"Idempotency-Key": "one"})
    again = create(**asked, extra_headers={"Idempotency-Key": "one"})
    other = create(**asked, extra_headers={"Idempotency-Key": "two"})

    assert again.parse() == first.parse() != other.parse()
    assert again.headers["idempotent-replayed"] == "true"
    assert server.generating == 2
    spent = TAO - consumer.account().balance_rao
    assert spent == 2 * int(first.parse().usage.cost_rao)
    with pytest.raises(openai.ConflictError, match="another question"):
        create(**{**asked, "prompt": "class"}, extra_headers={"Idempotency-Key": "one"})


def test_what_came_to_nothing_may_be_asked_again_by_the_same_key(
    server: Any, consumer: Any
) -> None:
    create = consumer.openai(max_retries=0).completions.create
    asked: Any = {"model": "server/0", "prompt": "def add(", "max_tokens": 5}
    headers = {"Idempotency-Key": "poor"}

    with pytest.raises(openai.APIStatusError, match="send at least"):
        create(**asked, extra_headers=headers)
    consumer.pay(TAO)
    server.behaviour = "garbage"
    with pytest.raises(openai.InternalServerError):
        create(**asked, extra_headers=headers)
    server.behaviour = "honest"

    assert create(**asked, extra_headers=headers).choices[0].text


def test_a_key_does_only_what_it_is_for(server: Any, consumer: Any) -> None:
    consumer.pay(TAO)
    narrow = consumer.gateway.create_key(consumer.keypair, scopes=["knowledge"])
    headers = {"authorization": f"Bearer {narrow.api_key}"}
    url = f"{consumer.gateway.url}/v1"

    asked = httpx.post(f"{url}/completions", json={"prompt": "x"}, headers=headers)
    account = httpx.get(f"{url}/account", headers=headers)
    numbers = httpx.post(f"{url}/knowledge/next", json={"prompt": "def"}, headers=headers)

    assert (asked.status_code, account.status_code, numbers.status_code) == (403, 403, 200)
    assert asked.json()["error"]["code"] == "insufficient_scope"
    assert "taonet key new --scope inference" in asked.json()["error"]["message"]
    assert consumer.gateway.keys(consumer.keypair)[-1].scopes == ["knowledge"]
