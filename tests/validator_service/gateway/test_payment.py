"""Paying a running gateway: once for each deposit, once for each call, each by its own account."""

import threading
from collections import Counter
from typing import Any

import openai
import psycopg
import pytest

from taonet.kit import signing
from validator_service.client import GatewayClient, GatewayRefusal


def booked_rao(environment: dict[str, str]) -> dict[str, int]:
    """The sums of the books' rows, by kind."""
    with psycopg.connect(environment["TAONET_DATABASE_URL"]) as conn:
        rows = conn.execute("SELECT kind, sum(amount_rao)::BIGINT FROM transfer GROUP BY kind")
        return {kind: int(total) for kind, total in rows}


def test_two_hundred_calls_on_a_balance_for_one(
    make_server: Any, tokenizer: Any, consumer: Any, environment: dict[str, str]
) -> None:
    text = tokenizer.encode("while not done: done = step(value)\n" * 5).ids
    make_server(text=text, piece_seconds=0.02)
    client = consumer.openai(max_retries=0)
    # The prompt and 40 tokens cost less than 30,000 rao and more than 15,000.
    consumer.pay(30_000)
    outcomes: list[int] = []

    def call() -> None:
        try:
            client.completions.create(model="network/best", prompt="while", max_tokens=40)
            outcomes.append(200)
        except openai.APIStatusError as error:
            outcomes.append(error.status_code)

    threads = [threading.Thread(target=call) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Counter(outcomes) == {200: 1, 402: 199}
    account = consumer.account()
    assert account.reserved_rao == 0
    spent = 30_000 - account.balance_rao
    assert booked_rao(environment) == {
        "deposit": 30_000,
        "usage": spent,
        "share": spent * 80 // 100,
    }


def test_a_deposit_is_credited_once_across_a_restart(
    chain: Any, environment: dict[str, str], start_gateway: Any, new_keypair: Any, wait: Any
) -> None:
    with start_gateway(environment) as url, GatewayClient(url) as client:
        key = client.create_key(new_keypair)
        chain.transfer(key.deposit_address, 700)
        wait(lambda: client.account(key.api_key).balance_rao == 700)
    chain.transfer(key.deposit_address, 55)
    with start_gateway(environment) as url, GatewayClient(url) as client:
        wait(lambda: client.account(key.api_key).balance_rao == 755)
        wait(lambda: chain.height() > 35)
        assert client.account(key.api_key).balance_rao == 755
        assert client.create_key(new_keypair).deposit_address == key.deposit_address
    assert booked_rao(environment) == {"deposit": 755}


def test_only_the_account_itself_gets_a_key(consumer: Any, new_keypair: Any) -> None:
    gateway, account = consumer.gateway, consumer.keypair.ss58_address
    hotkey = gateway.gateway().hotkey
    forged = signing.sign_request(new_keypair, "POST", "/v1/keys", account.encode(), hotkey)
    true = signing.sign_request(consumer.keypair, "POST", "/v1/keys", account.encode(), hotkey)

    with pytest.raises(GatewayRefusal, match="another key"):
        gateway._request("POST", "/v1/keys", json={"account": account, "proof": forged})
    with pytest.raises(GatewayRefusal, match="not signed"):
        gateway._request("POST", "/v1/keys", json={"account": account, "proof": {}})
    gateway._request("POST", "/v1/keys", json={"account": account, "proof": true})
    with pytest.raises(GatewayRefusal, match="answered before"):
        gateway._request("POST", "/v1/keys", json={"account": account, "proof": true})
