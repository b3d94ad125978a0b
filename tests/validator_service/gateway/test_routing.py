"""Who is asked, who takes over, and who stops when nobody listens."""

import json
import re
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import psycopg
import pytest

from validator_service.domain.routing import Health

TAO = 10**9
LONG = "for name in names: print(name)\n" * 20


def used_by(consumer: Any, model: str, **options: Any) -> str:
    raw = consumer.openai(max_retries=0).completions.with_raw_response.create(
        model=model, prompt="def add(", max_tokens=4, **options
    )
    server: str = raw.headers["x-taonet-server"]
    return server


def test_the_fast_model_is_the_quickest_server(
    make_server: Any, tokenizer: Any, consumer: Any
) -> None:
    text = tokenizer.encode(LONG).ids
    slow = make_server(incentive=0.9, text=text, piece_seconds=0.2)
    quick = make_server(incentive=0.1, text=text)
    consumer.pay(TAO)
    for server in (slow, quick):
        used_by(consumer, f"server/{server.uid}")

    assert used_by(consumer, "network/fast") == str(quick.uid)
    assert used_by(consumer, "network/best") == str(slow.uid)
    listed = consumer.openai().models.retrieve("network/fast")
    speeds = {each["uid"]: each["first_token_seconds"] for each in listed.served_by}
    assert speeds[slow.uid] > speeds[quick.uid] > 0


def test_the_pace_of_a_whole_answer_is_measured(
    make_server: Any, tokenizer: Any, consumer: Any
) -> None:
    slow = make_server(text=tokenizer.encode(LONG).ids, piece_seconds=0.1)
    consumer.pay(TAO)
    used_by(consumer, f"server/{slow.uid}")

    shown = httpx.get(f"{consumer.gateway.url}/metrics").text
    paces = dict(re.findall(r"^taonet_validator_token_seconds_(count|sum) (.+)$", shown, re.M))
    [listed] = consumer.openai().models.retrieve("network/best").served_by

    assert float(paces["count"]) == 1
    assert float(paces["sum"]) > 0.09
    assert listed["tokens_per_second"] < Health().token_seconds ** -1


def test_a_whole_answer_that_breaks_in_the_middle_is_written_by_another(
    make_server: Any, tokenizer: Any, consumer: Any
) -> None:
    text = tokenizer.encode(LONG).ids
    make_server(incentive=0.9, text=text, behaviour="breaking")
    sound = make_server(incentive=0.1, text=text)
    consumer.pay(TAO)

    completion = consumer.openai(max_retries=0).completions.create(
        model="network/best", prompt="def", max_tokens=12
    )

    assert completion.usage.server_uid == sound.uid
    assert completion.usage.completion_tokens <= 12
    assert TAO - consumer.account().balance_rao == int(completion.usage.cost_rao)


def test_a_server_slower_than_its_habit_is_joined_by_another(
    environment: dict[str, str], make_server: Any, tokenizer: Any, start_gateway: Any, consumer: Any
) -> None:
    text = tokenizer.encode(LONG).ids
    first = make_server(incentive=0.9, text=text)
    second = make_server(incentive=0.1, text=text)
    consumer.pay(TAO)
    with start_gateway({**environment, "TAONET_VALIDATOR_HEDGING": "true"}) as url:
        client = consumer.openai(base_url=f"{url}/v1", max_retries=0)

        def ask() -> str:
            answered: str = client.completions.with_raw_response.create(
                model="network/best", prompt="def", max_tokens=2
            ).headers["x-taonet-server"]
            return answered

        assert {ask() for _ in range(25)} == {str(first.uid)}
        first.piece_seconds = 3.0
        assert ask() == str(second.uid)

    assert consumer.account().reserved_rao == 0


def test_an_ensemble_is_decoded_together_and_its_members_share(
    make_server: Any, tokenizer: Any, followers: Any, consumer: Any
) -> None:
    servers = [make_server(incentive=share) for share in (0.5, 0.3, 0.2)]
    consumer.pay(TAO)
    create = consumer.openai(max_retries=0).completions.create
    asked: Any = {"model": "network/ensemble", "prompt": "while not", "temperature": 0}

    first = create(**asked, max_tokens=12)
    servers[1].behaviour = "garbage"
    second = create(**asked, max_tokens=12, logprobs=2)

    tokens = tokenizer.encode("while not").ids
    for _ in range(12):
        tokens.append(int(followers[tokens[-1]].argmax()))
    assert first.choices[0].text == tokenizer.decode(tokens)[len("while not") :]
    assert second.choices[0].text == first.choices[0].text
    assert len(second.choices[0].logprobs.top_logprobs[0]) >= 2
    assert first.usage.server_uids == [server.uid for server in servers]
    assert second.usage.server_uids == [servers[0].uid, servers[2].uid]
    cost = int(first.usage.cost_rao) + int(second.usage.cost_rao)
    assert TAO - consumer.account().balance_rao == cost
    listed = httpx.get(
        f"{consumer.gateway.url}/v1/account/calls",
        headers={"authorization": f"Bearer {consumer.key.api_key}"},
    ).json()
    assert len(listed) == 5
    assert sum(int(call["cost_rao"]) for call in listed) == cost


@pytest.mark.alone
@pytest.mark.parametrize("stream", [True, False])
def test_who_hangs_up_stops_the_server_within_a_second(
    make_server: Any, tokenizer: Any, consumer: Any, wait: Any, stream: bool
) -> None:
    server = make_server(text=tokenizer.encode(LONG).ids, piece_seconds=0.05)
    consumer.pay(TAO)
    body = {"model": f"server/{server.uid}", "prompt": "def", "max_tokens": 200, "stream": stream}
    content = json.dumps(body)
    address = urlsplit(consumer.gateway.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(
            f"POST /v1/completions HTTP/1.1\r\nhost: gateway\r\n"
            f"authorization: Bearer {consumer.key.api_key}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(content)}\r\n\r\n{content}".encode()
        )
        wait(lambda: server.generating == 1)
        time.sleep(0.3)
    left_at = time.monotonic()

    wait(lambda: server.cancelled == 1, 10)
    stopped_after = time.monotonic() - left_at
    wait(lambda: consumer.account().reserved_rao == 0, 5)
    assert stopped_after < 1
    if not stream:
        assert consumer.account().balance_rao == TAO


@pytest.mark.alone
def test_a_deadline_is_passed_on(make_server: Any, tokenizer: Any, consumer: Any) -> None:
    server = make_server(text=tokenizer.encode(LONG).ids, piece_seconds=5.0)
    consumer.pay(TAO)
    started = time.monotonic()

    with pytest.raises(openai.InternalServerError, match="timeout"):
        used_by(consumer, f"server/{server.uid}", extra_headers={"taonet-timeout-ms": "300"})

    assert time.monotonic() - started < 4
    assert consumer.account().balance_rao == TAO


def test_a_sample_of_prompts_becomes_questions_unless_it_is_private(
    environment: dict[str, str], make_server: Any, tokenizer: Any, start_gateway: Any, consumer: Any
) -> None:
    make_server(text=tokenizer.encode("return").ids)
    consumer.pay(TAO)
    prompt = "class Server: pass\n" * 30
    with start_gateway({**environment, "TAONET_VALIDATOR_ORGANIC_PERCENT": "100"}) as url:
        create = consumer.openai(base_url=f"{url}/v1").completions.create
        create(model="network/best", prompt="class", max_tokens=2)
        create(
            model="network/best",
            prompt=prompt,
            max_tokens=2,
            extra_headers={"x-taonet-private": "true"},
        )
        silent = consumer.gateway.create_key(consumer.keypair, sampled=False)
        private = consumer.openai(base_url=f"{url}/v1", api_key=silent.api_key)
        private.completions.create(model="network/best", prompt=prompt, max_tokens=2)
        assert kept_passages(environment) == []
        create(model="network/best", prompt=prompt, max_tokens=2)

    (passage,) = kept_passages(environment)
    assert len(passage) == 72
    assert tokenizer.decode(passage) in prompt


def kept_passages(environment: dict[str, str]) -> list[list[int]]:

    with psycopg.connect(environment["TAONET_DATABASE_URL"]) as conn:
        return [tokens for (tokens,) in conn.execute("SELECT tokens FROM passage")]
