"""The unmodified `openai` client: asynchronous, structured answers, embeddings, errors."""

import asyncio
import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

TAO = 10**9
CHAT: Any = [{"role": "user", "content": "Whose?"}]


class Owner(BaseModel):
    """What is asked for as a schema, and comes back as an object."""

    name: str
    uid: int


@pytest.fixture
def server(make_server: Any, tokenizer: Any) -> Any:
    text = json.dumps({"name": "bob", "uid": 3})
    return make_server(incentive=0.5, text=tokenizer.encode(text).ids)


def test_asynchronously_whole_streamed_and_as_numbers(server: Any, consumer: Any) -> None:
    consumer.pay(TAO)

    async def ask() -> tuple[Any, list[Any], Any]:
        async with openai.AsyncOpenAI(
            base_url=f"{consumer.gateway.url}/v1", api_key=consumer.key.api_key
        ) as client:
            whole, stream, numbers = await asyncio.gather(
                client.chat.completions.create(
                    model="server/0", messages=CHAT, logprobs=True, top_logprobs=2
                ),
                client.chat.completions.create(model="server/0", messages=CHAT, stream=True),
                client.embeddings.create(model="server/0", input=["one", "two"]),
            )
            return whole, [chunk async for chunk in stream], numbers

    whole, chunks, numbers = asyncio.run(ask())
    text = whole.choices[0].message.content
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
    assert len(whole.choices[0].logprobs.content[0].top_logprobs) == 2
    assert [item.index for item in numbers.data] == [0, 1]


def test_a_structured_answer_is_parsed_by_the_client(server: Any, consumer: Any) -> None:
    consumer.pay(TAO)

    completion = consumer.openai().chat.completions.parse(
        model="server/0", messages=CHAT, response_format=Owner
    )

    assert completion.choices[0].message.parsed == Owner(name="bob", uid=3)
    assert server.wishes[0].json_schema["required"] == ["name", "uid"]


def test_errors_are_those_that_the_client_knows(server: Any, consumer: Any) -> None:
    client = consumer.openai(max_retries=0)
    cases: list[tuple[type[openai.APIStatusError], dict[str, Any]]] = [
        (openai.NotFoundError, {"model": "gpt-4"}),
        (openai.BadRequestError, {"model": "server/0", "temperature": 9}),
        (openai.APIStatusError, {"model": "server/0"}),
    ]
    for kind, asked in cases:
        with pytest.raises(kind) as caught:
            client.chat.completions.create(messages=CHAT, **asked)
        assert caught.value.request_id
    assert caught.value.status_code == 402
