"""Keys that end: revoked, expired, or at their cap."""

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import openai
import pytest
from typer.testing import CliRunner

from taonet.kit.keys import ensure_wallet
from validator_service.client import GatewayRefusal
from validator_service.ledger.commands import key_app

TAO = 10**9


@pytest.fixture
def server(make_server: Any, tokenizer: Any) -> Any:
    return make_server(text=tokenizer.encode("for name in names: print(name)\n" * 3).ids)


def ask(consumer: Any, api_key: str, **changes: Any) -> Any:
    client = consumer.openai(api_key=api_key, max_retries=0)
    asked: Any = {"model": "server/0", "prompt": "for", "max_tokens": 10, **changes}
    return client.completions.create(**asked)


def test_a_revoked_key_buys_nothing_more_and_others_still_do(server: Any, consumer: Any) -> None:
    consumer.pay(TAO)
    other = consumer.gateway.create_key(consumer.keypair, label="laptop")
    ask(consumer, other.api_key)

    consumer.gateway.revoke_key(consumer.keypair, other.id)

    with pytest.raises(openai.AuthenticationError, match="revoked"):
        ask(consumer, other.api_key)
    ask(consumer, consumer.key.api_key)
    first, second = consumer.gateway.keys(consumer.keypair)
    assert (first.id, first.usable) == (consumer.key.id, True)
    assert (second.label, second.usable) == ("laptop", False)
    assert second.spent_rao > 0
    assert first.spent_rao + second.spent_rao == TAO - consumer.account().balance_rao


def test_another_gateways_memory_of_a_revoked_key_buys_nothing(
    server: Any, consumer: Any, environment: dict[str, str], start_gateway: Any
) -> None:
    consumer.pay(TAO)
    with start_gateway(environment) as url:
        elsewhere = {"base_url": f"{url}/v1", "api_key": consumer.key.api_key, "max_retries": 0}
        with openai.OpenAI(**elsewhere) as client:
            client.completions.create(model="server/0", prompt="for", max_tokens=2)
            consumer.gateway.revoke_key(consumer.keypair, consumer.key.id)
            with pytest.raises(openai.AuthenticationError):
                client.completions.create(model="server/0", prompt="for", max_tokens=2)


def test_an_expired_key_is_refused(server: Any, consumer: Any, wait: Any) -> None:
    consumer.pay(TAO)
    brief = consumer.gateway.create_key(consumer.keypair, expires_in_seconds=1)

    wait(lambda: not consumer.gateway.keys(consumer.keypair)[1].usable)

    with pytest.raises(openai.AuthenticationError, match="expired"):
        ask(consumer, brief.api_key)


def test_many_calls_at_once_stay_below_a_keys_cap(server: Any, consumer: Any) -> None:
    consumer.pay(TAO)
    # A call reserves 10 tokens of answer, 4,000 rao, and its prompt: the cap is for two.
    capped = consumer.gateway.create_key(consumer.keypair, cap_rao=9_500)
    outcomes: list[Any] = []

    def call() -> None:
        try:
            ask(consumer, capped.api_key)
            outcomes.append(200)
        except openai.APIStatusError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=call) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Counter(outcomes) == {200: 2, "spending_cap_reached": 10}
    key = consumer.gateway.keys(consumer.keypair)[1]
    assert (key.reserved_rao, key.cap_rao) == (0, 9_500)
    assert key.spent_rao == TAO - consumer.account().balance_rao <= 9_500
    assert consumer.account().reserved_rao == 0
    ask(consumer, consumer.key.api_key)


def test_nobody_sees_or_revokes_another_accounts_keys(consumer: Any, new_keypair: Any) -> None:
    assert consumer.gateway.keys(new_keypair) == []

    with pytest.raises(GatewayRefusal, match="no key"):
        consumer.gateway.revoke_key(new_keypair, consumer.key.id)
    with pytest.raises(GatewayRefusal, match="not signed"):
        consumer.gateway._request("GET", "/v1/keys")
    assert consumer.gateway.keys(consumer.keypair)[0].usable


def test_the_command_line_lists_and_revokes(gateway_url: str, tmp_path: Path) -> None:
    ensure_wallet(tmp_path, "alice", [])
    common = ["--account", "alice", "--gateway", gateway_url, "--wallet-path", str(tmp_path)]

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(key_app, [*arguments, *common])

    options = ["--label", "robot", "--days", "2", "--cap", "1.5", "--json"]
    made = json.loads(run("new", *options).stdout)
    before = run("list").stdout
    revoked = run("revoke", made["id"])
    (after,) = json.loads(run("list", "--json").stdout)

    assert f"{made['id']}  usable" in before
    assert "of 1.500000000 TAO" in before
    assert "robot" in before
    assert revoked.exit_code == 0
    assert after["revoked_at"]
    assert made["api_key"] not in before
    assert run("revoke", "0" * 16).exit_code == 1
