"""Asking: whatever comes back is a code, within the deadline."""

import asyncio
import time
from typing import Any

import httpx
import numpy as np
import pytest

from server_service.client import ServerClient
from validator_service.dialling import GuardedTransport
from validator_service.domain.addresses import ForbiddenAddress
from validator_service.domain.prompts import Questions
from validator_service.rounds.asking import AskingRules, Reply, Target, ask_servers

VOCABULARY = 320
QUESTIONS = Questions(
    context=np.full((3, 8), 70, dtype=np.int64),
    hidden=np.full((3, 2), 71, dtype=np.int64),
    canary_rows=np.array([2]),
    altered=np.array([True, False, False]),
    lent=np.zeros(3, dtype=bool),
)


def ask(
    keypair: Any, targets: list[Target], private_allowed: bool = True, **rules: Any
) -> list[Reply]:
    async def run() -> list[Reply]:
        transport = GuardedTransport(httpx.AsyncHTTPTransport(), private_allowed=private_allowed)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as http:
            client = ServerClient(keypair, http, vocabulary_size=VOCABULARY)
            asked = [(target, QUESTIONS) for target in targets]
            wanted = {"top_k": 16, "answer_seconds": 1.0, **rules}
            return await ask_servers(client, asked, AskingRules(**wanted))

    return asyncio.run(run())


def target(stub: Any, uid: int) -> Target:
    return Target(uid, stub.hotkey, "127.0.0.1", stub.axon["port"])


@pytest.mark.alone
def test_each_server_has_its_own_outcome(make_server: Any, new_keypair: Any) -> None:
    behaviours = ("honest", "garbage", "slow", "unsigned")
    targets = [target(make_server(behaviour=b), uid) for uid, b in enumerate(behaviours)]
    nobody = Target(4, new_keypair.ss58_address, "127.0.0.1", 9)
    nonsense = Target(5, new_keypair.ss58_address, "metadata.internal", 8091)
    started = time.monotonic()

    replies = ask(new_keypair, [*targets, nobody, nonsense])

    assert time.monotonic() - started < 2.5
    assert [reply.code for reply in replies] == [
        *("ok", "ok", "timeout", "unsigned", "forbidden_address", "unavailable"),
    ]
    # Garbage is read, and found out, where it is scored.
    assert [reply.signed is not None for reply in replies] == [True, True] + [False] * 4


def test_private_addresses_are_left_alone_where_they_are_not_allowed(
    make_server: Any, new_keypair: Any
) -> None:
    stub = make_server()

    replies = ask(new_keypair, [target(stub, 0)], private_allowed=False)

    assert [reply.code for reply in replies] == ["forbidden_address"]
    assert stub.asked == 0


@pytest.mark.parametrize("port", [1, 65_000])
def test_a_server_that_is_gone_is_only_a_code(new_keypair: Any, port: int) -> None:
    replies = ask(new_keypair, [Target(0, new_keypair.ss58_address, "127.0.0.1", port)])

    assert replies[0].code in ("unavailable", "forbidden_address")


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254:8091/",
        "http://[::ffff:127.0.0.1]:8091/",
        "http://[fe80::1]:8091/",
        "http://[64:ff9b::7f00:1]:8091/",
        "http://[::]:8091/",
        "http://0.0.0.0:8091/",
        "http://2130706433:8091/",
        "http://localhost:8091/",
        "http://8.8.8.8/",
        "https://8.8.8.8:8091/",
    ],
)
@pytest.mark.parametrize("private_allowed", [True, False])
def test_nothing_but_a_servers_address_is_dialled(address: str, private_allowed: bool) -> None:
    assert dial(address, private_allowed) == "forbidden"


@pytest.mark.parametrize("address", ["http://127.0.0.1:8091/", "http://[::1]:8091/"])
def test_this_machine_is_dialled_only_where_it_may_be(address: str) -> None:
    assert dial(address, private_allowed=True) == "dialled"
    assert dial(address, private_allowed=False) == "forbidden"


def test_a_redirect_is_checked_like_any_other_request() -> None:
    assert dial("http://127.0.0.1:8091/redirect", private_allowed=True) == "forbidden"


def dial(address: str, private_allowed: bool) -> str:
    """Ask for a page behind the guard; the only page there sends on to a cloud's credentials."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/redirect":
            return httpx.Response(302, headers={"location": "http://169.254.169.254:80/latest"})
        return httpx.Response(200)

    async def run() -> str:
        guard = GuardedTransport(httpx.MockTransport(answer), private_allowed=private_allowed)
        async with httpx.AsyncClient(transport=guard, follow_redirects=True) as http:
            try:
                return "dialled" if (await http.get(address)).is_success else "refused"
            except ForbiddenAddress:
                return "forbidden"

    return asyncio.run(run())
