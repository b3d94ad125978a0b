"""Several choices of one call, how likely their tokens are, and how often one may call."""

from typing import Any

import openai
import pytest

from validator_service.client import GatewayClient

TAO = 10**9
CHAT: Any = [{"role": "user", "content": "Add."}]
TEXT = "def add(first, second): return first + second\n"


@pytest.fixture
def server(make_server: Any, tokenizer: Any) -> Any:
    return make_server(incentive=0.5, text=tokenizer.encode(TEXT).ids)


def test_choices_are_written_at_once_and_the_prompt_is_paid_once(
    server: Any, consumer: Any
) -> None:
    consumer.pay(TAO)
    client = consumer.openai()
    one = client.chat.completions.create(model="server/0", messages=CHAT, max_tokens=9)
    paid = consumer.account().balance_rao

    many = client.chat.completions.create(model="server/0", messages=CHAT, max_tokens=9, n=4)

    assert [choice.index for choice in many.choices] == [0, 1, 2, 3]
    assert {choice.message.content for choice in many.choices} == {one.choices[0].message.content}
    assert many.usage.prompt_tokens == one.usage.prompt_tokens
    assert many.usage.completion_tokens == 4 * one.usage.completion_tokens
    assert paid - consumer.account().balance_rao == int(many.usage.cost_rao)
    assert int(many.usage.cost_rao) < 4 * int(one.usage.cost_rao)
    assert consumer.account().reserved_rao == 0
    assert server.generating == 5


def test_a_stream_of_choices_ends_each_of_them(server: Any, consumer: Any) -> None:
    consumer.pay(TAO)
    texts, ends = ["", "", ""], []

    for chunk in consumer.openai().completions.create(
        model="server/0", prompt="def", max_tokens=7, n=3, stream=True
    ):
        (choice,) = chunk.choices
        texts[choice.index] += choice.text
        ends += [choice.index] if choice.finish_reason == "length" else []

    assert len(set(texts)) == 1
    assert texts[0]
    assert ends == [0, 1, 2]


def test_one_choice_that_breaks_ends_the_call_and_what_came_is_billed(
    make_server: Any, tokenizer: Any, consumer: Any
) -> None:
    # Slow enough that both have begun when one breaks: before that, nothing would be shown.
    breaking = make_server(behaviour="breaking", text=tokenizer.encode(TEXT).ids, piece_seconds=0.3)
    consumer.pay(TAO)

    with pytest.raises(openai.APIError, match="in the middle"):
        list(
            consumer.openai().completions.create(
                model=f"server/{breaking.uid}", prompt="def", max_tokens=7, n=2, stream=True
            )
        )

    assert 0 < TAO - consumer.account().balance_rao < 100 + 400 * 7
    assert consumer.account().reserved_rao == 0


def test_a_chat_tells_how_likely_its_tokens_are(server: Any, consumer: Any, tokenizer: Any) -> None:
    consumer.pay(TAO)
    asked: Any = {"model": "server/0", "messages": CHAT, "max_tokens": 5, "logprobs": True}

    whole = consumer.openai().chat.completions.create(**asked, top_logprobs=2)
    plain = consumer.openai().chat.completions.create(**asked)
    stream = consumer.openai().chat.completions.create(**asked, top_logprobs=2, stream=True)

    content = whole.choices[0].logprobs.content
    assert b"".join(bytes(item.bytes) for item in content).decode() == "def add("
    assert [item.logprob for item in content] == [-1.0] * 5
    assert [top.token for top in content[0].top_logprobs] == ["<|endoftext|>", "<|pad|>"]
    assert plain.choices[0].logprobs.content[0].top_logprobs == []
    streamed = [c.choices[0].logprobs for c in stream if c.choices[0].logprobs]
    assert [item for each in streamed for item in each.content] == content


def test_a_completion_tells_it_in_the_older_form(server: Any, consumer: Any) -> None:
    consumer.pay(TAO)
    asked: Any = {"model": "server/0", "prompt": "def", "max_tokens": 5}

    told = consumer.openai().completions.create(**asked, logprobs=1).choices[0].logprobs
    without = consumer.openai().completions.create(**asked, logprobs=0).choices[0].logprobs
    chunks = list(consumer.openai().completions.create(**asked, logprobs=1, stream=True))

    assert "".join(told.tokens) == "def add("
    assert told.text_offset[:2] == [0, len(told.tokens[0])]
    assert told.top_logprobs[0] == {told.tokens[0]: -1.0, "<|endoftext|>": -1.0}
    assert without.top_logprobs is None
    offsets = [c.choices[0].logprobs.text_offset for c in chunks if c.choices[0].logprobs]
    assert [place for each in offsets for place in each] == told.text_offset


def test_who_calls_too_often_is_told_when_to_call_again(
    server: Any, environment: dict[str, str], start_gateway: Any, new_keypair: Any
) -> None:
    slow = {**environment, "TAONET_VALIDATOR_REQUESTS_PER_MINUTE": "2"}
    with start_gateway(slow) as url:
        with GatewayClient(url) as gateway:
            key = gateway.create_key(new_keypair)
        options: Any = {"base_url": f"{url}/v1", "api_key": key.api_key, "max_retries": 0}
        refusals: list[Any] = []
        with openai.OpenAI(**options) as client:
            for _ in range(3):
                with pytest.raises(openai.APIStatusError) as caught:
                    client.chat.completions.create(model="server/0", messages=CHAT)
                refusals.append(caught.value)

    assert [refusal.status_code for refusal in refusals] == [402, 402, 429]
    assert refusals[0].response.headers["x-ratelimit-limit-requests"] == "2"
    remaining = [r.response.headers["x-ratelimit-remaining-requests"] for r in refusals]
    assert remaining == ["1", "0", "0"]
    assert 25 <= int(refusals[2].response.headers["retry-after"]) <= 30
    assert refusals[2].code == "rate_limit_exceeded"
