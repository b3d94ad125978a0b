"""Asking: whatever comes back is a code, within the deadline."""

import asyncio
import time
from typing import Any

import httpx
import numpy as np
import pytest

from server_service.client import ServerClient
from validator_service.domain.prompts import Questions
from validator_service.rounds.asking import AskingRules, Reply, Target, ask_servers

VOCABULARY = 320
QUESTIONS = Questions(
    context=np.full((3, 8), 70, dtype=np.int64),
    hidden=np.full((3, 2), 71, dtype=np.int64),
    canary_rows=np.array([2]),
    altered=np.array([True, False, False]),
)


def ask(keypair: Any, targets: list[Target], **rules: Any) -> list[Reply]:
    async def run() -> list[Reply]:
        async with httpx.AsyncClient(trust_env=False) as http:
            client = ServerClient(keypair, http, vocabulary_size=VOCABULARY)
            asked = [(target, QUESTIONS) for target in targets]
            wanted = {"top_k": 16, "answer_seconds": 1.0, "private_allowed": True, **rules}
            return await ask_servers(client, asked, AskingRules(**wanted))

    return asyncio.run(run())


def target(stub: Any, uid: int) -> Target:
    return Target(uid, stub.hotkey, "127.0.0.1", stub.axon["port"])


def test_each_server_has_its_own_outcome(make_server: Any, new_keypair: Any) -> None:
    behaviours = ("honest", "garbage", "slow", "unsigned")
    targets = [target(make_server(behaviour=b), uid) for uid, b in enumerate(behaviours)]
    nobody = Target(4, new_keypair.ss58_address, "127.0.0.1", 9)
    nonsense = Target(5, new_keypair.ss58_address, "metadata.internal", 8091)
    started = time.monotonic()

    replies = ask(new_keypair, [*targets, nobody, nonsense])

    assert time.monotonic() - started < 2.5
    assert [reply.code for reply in replies] == [
        *("ok", "ok", "timeout", "unsigned", "forbidden_address", "forbidden_address"),
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
