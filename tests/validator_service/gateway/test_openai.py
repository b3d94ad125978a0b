"""The unmodified `openai` client against a running gateway with Servers."""

from typing import Any

import httpx
import openai
import pytest

TAO = 10**9
CHAT: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Add.\nNow."}]


def ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer.encode(text).ids)


@pytest.fixture
def server(make_server: Any, tokenizer: Any) -> Any:
    text = ids(tokenizer, " def add(first, second): return first + second\n")
    return make_server(incentive=0.5, text=text)


def test_a_chat_is_answered_counted_and_paid(server: Any, consumer: Any, tokenizer: Any) -> None:
    consumer.pay(TAO)
    client = consumer.openai()

    raw = client.chat.completions.with_raw_response.create(
        model="network/best", messages=CHAT, max_tokens=200, seed=1, temperature=0, user="me"
    )
    completion = raw.parse()

    text = completion.choices[0].message.content
    usage = completion.usage
    assert text == "def add(first, second): return first + second\n"
    assert completion.choices[0].finish_reason == "stop"
    prompt = '# system: Be brief.\n# user: Add.\n# Now.\n\ndef answer():\n    """'
    assert usage.prompt_tokens == len(ids(tokenizer, prompt))
    assert usage.completion_tokens == len(ids(tokenizer, " " + text))
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert completion.model == "network/best"
    assert raw.headers["x-request-id"]
    cost = -(-(usage.prompt_tokens * 10**8 + usage.completion_tokens * 4 * 10**8) // 10**6)
    account = consumer.account()
    assert TAO - account.balance_rao == cost == int(usage.cost_rao)
    assert account.reserved_rao == 0


def test_a_stream_ends_with_usage_where_it_was_asked_for(server: Any, consumer: Any) -> None:
    consumer.pay(TAO)
    client = consumer.openai()

    chunks = list(
        client.chat.completions.create(
            model="server/0",
            messages=CHAT,
            max_completion_tokens=8,
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].choices == []
    assert 0 < chunks[-1].usage.completion_tokens <= 8
    assert TAO - consumer.account().balance_rao == int(chunks[-1].usage.cost_rao)
    plain = list(client.chat.completions.create(model="server/0", messages=CHAT, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in plain)


def test_plain_completions_take_text_or_tokens(server: Any, consumer: Any, tokenizer: Any) -> None:
    consumer.pay(TAO)
    client = consumer.openai()

    by_text = client.completions.create(model="network/best", prompt="def add(", max_tokens=5)
    by_tokens = client.completions.create(
        model="network/best", prompt=ids(tokenizer, "def add("), max_tokens=5
    )
    streamed = client.completions.create(
        model="network/best", prompt="def add(", max_tokens=5, stream=True
    )

    assert by_text.choices[0].text == by_tokens.choices[0].text
    assert by_text.usage == by_tokens.usage
    assert "".join(chunk.choices[0].text for chunk in streamed) == by_text.choices[0].text


def test_models_are_listed_with_their_price(server: Any, consumer: Any) -> None:
    client = consumer.openai()

    assert [model.id for model in client.models.list()] == [
        *("network/best", "network/fast", "network/ensemble", "server/0")
    ]
    assert client.models.retrieve("server/0").context_length == 256
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("server/99")


def test_who_cannot_pay_is_told_how(server: Any, consumer: Any) -> None:
    client = consumer.openai(max_retries=0)

    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="network/best", messages=CHAT, max_tokens=100)

    body: Any = caught.value.body
    assert caught.value.status_code == 402
    assert body["code"] == "insufficient_balance"
    assert body["deposit_address"] == consumer.key.deposit_address
    assert 0 < int(body["missing_rao"]) < TAO
    assert consumer.key.deposit_address in body["message"]
    assert server.generating == 0
    assert consumer.account().reserved_rao == 0


def test_an_unknown_key_or_model_is_refused(server: Any, consumer: Any) -> None:
    stranger = consumer.openai(api_key="sk-taonet-guess")

    with pytest.raises(openai.AuthenticationError, match="taonet key new"):
        stranger.chat.completions.create(model="network/best", messages=CHAT)
    for model in ("gpt-4", "server/77", "server/x", "network/worst"):
        with pytest.raises(openai.NotFoundError, match="GET /v1/models"):
            consumer.openai().chat.completions.create(model=model, messages=CHAT)


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"n": 9}, "n", "invalid_value"),
        ({"top_logprobs": 2}, "top_logprobs", "invalid_value"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "invalid_value"),
        ({"presence_penalty": 2.5}, "presence_penalty", "invalid_value"),
        ({"extra_body": {"store": True}}, "store", "unsupported_parameter"),
        ({"tool_choice": "required"}, "tool_choice", "unsupported_parameter"),
        ({"extra_body": {"logit_bias": {"five": 5}}}, "logit_bias.five.[key]", "invalid_value"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"response_format": {"type": "json_schema"}}, "response_format", "invalid_value"),
        ({"extra_body": {"surprise": 1}}, "surprise", "unsupported_parameter"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"max_tokens": 0}, "max_tokens", "invalid_value"),
        ({"stop": list("abcde")}, None, "invalid_value"),
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": [{"role": "user", "content": "long " * 400}]}, "messages", None),
    ],
)
def test_what_is_not_honoured_is_refused_by_name(
    server: Any, consumer: Any, changes: dict[str, Any], param: str | None, code: str | None
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        consumer.openai().chat.completions.create(
            **{"model": "network/best", "messages": CHAT, **changes}
        )

    assert caught.value.code == (code or "context_length_exceeded")
    assert param is None or caught.value.param == param


def test_a_failing_server_is_replaced_unseen(server: Any, make_server: Any, consumer: Any) -> None:
    broken = make_server(incentive=0.9, behaviour="garbage")
    gone = make_server(incentive=0.8)
    consumer.pay(TAO)
    client = consumer.openai(max_retries=0)
    assert len(list(client.models.list())) == 6
    gone.http.stop()

    for _ in range(3):
        raw = client.chat.completions.with_raw_response.create(
            model="network/best", messages=CHAT, max_tokens=5
        )
        assert raw.headers["x-taonet-server"] == "0"
    with pytest.raises(openai.InternalServerError, match="nothing was charged"):
        client.chat.completions.create(model=f"server/{broken.uid}", messages=CHAT, max_tokens=5)
    assert consumer.account().reserved_rao == 0
    assert broken.generating == 0


def test_an_answer_that_breaks_off_says_so_and_costs_what_came(
    make_server: Any, tokenizer: Any, consumer: Any
) -> None:
    breaking = make_server(
        behaviour="breaking", text=ids(tokenizer, "def add(first, second): return")
    )
    consumer.pay(TAO)
    stream = consumer.openai().chat.completions.create(
        model=f"server/{breaking.uid}", messages=CHAT, max_tokens=50, stream=True
    )

    with pytest.raises(openai.APIError, match="in the middle"):
        list(stream)

    spent = TAO - consumer.account().balance_rao
    assert 0 < spent < 100 * 100 + 400 * 4
    assert consumer.account().reserved_rao == 0


def test_who_hangs_up_pays_for_what_was_delivered(
    make_server: Any, tokenizer: Any, consumer: Any, wait: Any
) -> None:
    text = ids(tokenizer, "for name in names: print(name)\n" * 20)
    slow = make_server(text=text, piece_seconds=0.05)
    consumer.pay(TAO)
    stream = consumer.openai().chat.completions.create(
        model=f"server/{slow.uid}", messages=CHAT, max_tokens=100, stream=True
    )
    for _ in range(4):
        next(iter(stream))
    assert consumer.account().reserved_rao > 0
    stream.close()

    wait(lambda: consumer.account().reserved_rao == 0, 5)
    spent = TAO - consumer.account().balance_rao
    assert 0 < spent < 100 * 60 + 400 * 30
    wait(lambda: slow.cancelled == 1, 5)


def test_the_metrics_tell_of_calls(server: Any, consumer: Any) -> None:
    consumer.pay(TAO)
    consumer.openai().chat.completions.create(model="network/best", messages=CHAT, max_tokens=5)

    shown = httpx.get(f"{consumer.gateway.url}/metrics").text

    assert 'taonet_validator_inference_calls_total{outcome="answered"} 1.0' in shown
    assert 'taonet_validator_inference_tokens_total{direction="output"} 5.0' in shown
    assert "taonet_validator_revenue_rao_total" in shown
    assert "taonet_validator_first_token_seconds_bucket" in shown
