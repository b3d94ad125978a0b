"""Servers that misbehave on purpose, as their callers see them."""

import numpy as np
import pytest
from tests.server_service.fake_chain import FakeChain
from tests.server_service.serving import RunningServer, Surroundings

from server_service.client import FailureCode, GenerateRequest, ServerClient, ServerFailure

TOKENS = np.arange(8).reshape(2, 4)


def ask_next(server: RunningServer, timeout_seconds: float) -> object:
    return server.ask(
        lambda client: client.next_phrases(
            server.address, TOKENS, top_k=4, timeout_seconds=timeout_seconds
        )
    )


def test_malformed_answers_are_signed_and_found_out(surroundings: Surroundings) -> None:
    with surroundings.run("malformed", SERVER_BEHAVIOUR="malformed") as server:
        with pytest.raises(ServerFailure) as arrays:
            ask_next(server, 5)
        with pytest.raises(ServerFailure) as text:
            server.ask(lambda client: read_text(client, server))
    assert arrays.value.code == FailureCode.MALFORMED
    assert text.value.code == FailureCode.MALFORMED


async def read_text(client: ServerClient, server: RunningServer) -> None:
    request = GenerateRequest(prompt="import", max_new_tokens=4)
    async for _ in client.generate(server.address, request, timeout_seconds=5):
        pass


def test_a_silent_server_costs_its_caller_the_timeout(surroundings: Surroundings) -> None:
    with (
        surroundings.run("silent", SERVER_BEHAVIOUR="silent") as server,
        pytest.raises(ServerFailure) as caught,
    ):
        ask_next(server, 0.3)
    assert caught.value.code == FailureCode.TIMEOUT


def test_a_slow_server_answers_late(surroundings: Surroundings) -> None:
    with surroundings.run("slow", SERVER_BEHAVIOUR="slow=0.5") as server:
        with pytest.raises(ServerFailure) as caught:
            ask_next(server, 0.2)
        ask_next(server, 5)
    assert caught.value.code == FailureCode.TIMEOUT


@pytest.mark.parametrize("preset", ["network", "mainnet-2022"])
def test_real_networks_are_served_honestly(
    surroundings: Surroundings, chain: FakeChain, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "preset", preset)
    with pytest.raises(AssertionError), surroundings.run("noisy", SERVER_BEHAVIOUR="noise"):
        pass
    with surroundings.run("noisy"):
        pass
