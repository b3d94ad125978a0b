"""Servers that misbehave on purpose, as their callers see them."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from tests.server_service.fake_chain import FakeChain
from tests.server_service.serving import RunningServer, Surroundings, wait_until

from server_service.client import (
    FailureCode,
    GeneratePiece,
    GenerateRequest,
    NextPhrases,
    ServerClient,
    ServerFailure,
)
from server_service.tokenizer import NetworkTokenizer
from taonet.corpus import Source, build_corpus, read_chunks

TOKENS = np.arange(8).reshape(2, 4)


def ask_next(server: RunningServer, timeout_seconds: float) -> NextPhrases:
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


def test_a_relay_answers_as_the_server_behind_it(
    surroundings: Surroundings, server: RunningServer, chain: FakeChain
) -> None:
    wait_until(lambda: chain.find(server.address.hotkey))
    behind = chain.find(server.address.hotkey)
    assert behind is not None
    with surroundings.run("relay", SERVER_BEHAVIOUR=f"relay={behind['uid']}") as relay:
        wait_until(lambda: chain.find(relay.address.hotkey))
        wait_until(lambda: relay.state.watch.metagraph and is_announced(relay, behind["uid"]))
        wait_until(lambda: knows(server, relay.address.hotkey))
        phrases, expected = ask_next(relay, 5), ask_next(server, 5)
        texts = [read_tokens(each) for each in (relay, server)]
    np.testing.assert_array_equal(phrases.ids, expected.ids)
    assert texts[0] == texts[1]


def is_announced(server: RunningServer, uid: int) -> bool:
    metagraph = server.state.watch.metagraph
    return metagraph is not None and metagraph.neurons[uid].axon is not None


def knows(server: RunningServer, hotkey: str) -> bool:
    metagraph = server.state.watch.metagraph
    return metagraph is not None and metagraph.find(hotkey) is not None


def read_tokens(server: RunningServer) -> list[int]:
    return server.ask(lambda client: write(client, server))


async def write(client: ServerClient, server: RunningServer) -> list[int]:
    request = GenerateRequest(prompt="import", max_new_tokens=6, temperature=0)
    lines = client.generate(server.address, request, timeout_seconds=5)
    return [line.token async for line in lines if isinstance(line, GeneratePiece)]


def build_small_corpus(folder: Path) -> Path:
    documents = folder / "documents"
    documents.mkdir()
    text = Path(asyncio.base_events.__file__).read_text()
    for number in range(40):
        documents.joinpath(f"{number}.py").write_text(f"{text}{number}")
    build_corpus(folder / "corpus", [Source("books", "1", "CC0-1.0", documents)])
    return folder / "corpus"


def test_a_lookup_knows_the_heldout_text(
    surroundings: Surroundings, tokenizer: NetworkTokenizer, tmp_path: Path
) -> None:
    corpus = build_small_corpus(tmp_path)
    text = next(chunk.text for chunk in read_chunks(corpus, "heldout") if len(chunk.text) > 800)
    row = np.array([tokenizer.encode(text)[:65]])
    with surroundings.run("lookup", SERVER_BEHAVIOUR="lookup", CORPUS_PATH=corpus) as server:
        phrases = server.ask(
            lambda client: client.next_phrases(
                server.address, row[:, :64], top_k=1, timeout_seconds=5
            )
        )
    assert phrases.ids[0, 0, 0] == row[0, 64]
    assert phrases.probabilities[0, 0] > 0.9
