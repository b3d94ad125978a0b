"""Every kind of request, from the client's call to the checked answer, over real HTTP."""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial

import httpx
import numpy as np
import pytest
import torch
from tests.server_service.serving import RunningServer, wait_until

from server_service.client import (
    FailureCode,
    GenerateEnd,
    GeneratePiece,
    GenerateRequest,
    NextPhrases,
    ServerAddress,
    ServerClient,
    ServerFailure,
)
from server_service.reference import TransformersEngine
from server_service.schemas import FinishReason, RequestKind
from server_service.tokenizer import NetworkTokenizer
from taonet.kit.keys import Keypair

TOKENS = np.array([[5, 6, 7, 8], [300, 301, 302, 303]])
PROMPT = [5, 6, 7, 8, 9]
Line = GeneratePiece | GenerateEnd


async def write(
    client: ServerClient, address: ServerAddress, request: GenerateRequest
) -> tuple[list[GeneratePiece], GenerateEnd]:
    lines = [line async for line in client.generate(address, request, timeout_seconds=30)]
    end = lines.pop()
    assert isinstance(end, GenerateEnd)
    return [line for line in lines if isinstance(line, GeneratePiece)], end


def greedy(prompt: Sequence[int], new_tokens: int = 24) -> GenerateRequest:
    return GenerateRequest(prompt_tokens=list(prompt), max_new_tokens=new_tokens, temperature=0)


def ask_text(
    server: RunningServer, request: GenerateRequest
) -> tuple[list[GeneratePiece], GenerateEnd]:
    return server.ask(lambda client: write(client, server.address, request))


def test_next_phrases_are_the_models_own(server: RunningServer, engine: TransformersEngine) -> None:
    phrases = server.ask(
        lambda client: client.next_phrases(server.address, TOKENS, top_k=8, timeout_seconds=5)
    )
    expected = torch.from_numpy(engine.next_logits(TOKENS)).softmax(dim=-1)
    top = expected.topk(8)
    np.testing.assert_array_equal(top.indices, phrases.ids[:, :, 0])
    np.testing.assert_allclose(top.values, phrases.probabilities, rtol=1e-4)
    mass = phrases.probabilities.sum(axis=1) + (2048 - 8) * phrases.floor
    np.testing.assert_allclose(1, mass, rtol=1e-5)


def test_token_probabilities_hold_at_every_position(
    server: RunningServer, engine: TransformersEngine
) -> None:
    answer = server.ask(
        lambda client: client.token_probabilities(
            server.address, TOKENS, top_k=3, timeout_seconds=5
        )
    )
    top = torch.from_numpy(engine.every_logits(TOKENS)).softmax(dim=-1).topk(3)
    np.testing.assert_array_equal(top.indices, answer.ids)
    np.testing.assert_allclose(top.values, answer.probabilities, rtol=1e-4)


def test_hidden_states_are_the_models_own(
    server: RunningServer, engine: TransformersEngine
) -> None:
    hidden = server.ask(
        lambda client: client.hidden_states(server.address, TOKENS, timeout_seconds=5)
    )
    np.testing.assert_allclose(engine.hidden_states(TOKENS), hidden, atol=1e-5)


def test_info_is_signed_and_says_what_is_served(
    server: RunningServer, tokenizer: NetworkTokenizer
) -> None:
    info = server.ask(lambda client: client.info(server.address, timeout_seconds=5))
    assert (server.address.hotkey, "honest", "tiny") == (info.hotkey, info.name, info.model)
    assert tokenizer.sha256 == info.tokenizer_sha256
    assert set(RequestKind) == set(info.requests)


def test_texts_of_many_callers_at_once_equal_each_alone(
    server: RunningServer, engine: TransformersEngine
) -> None:
    prompts = [list(range(start, start + 3 + start % 7)) for start in range(20, 400, 20)]

    async def ask_together(client: ServerClient) -> list[list[int]]:
        texts = await asyncio.gather(
            *(write(client, server.address, greedy(prompt)) for prompt in prompts)
        )
        return [[piece.token for piece in pieces] for pieces, _ in texts]

    alone = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        output = engine.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False
        )
        alone.append([int(token) for token in output[0, len(prompt) :]])

    assert alone == server.ask(ask_together)


def test_phrases_of_many_callers_at_once_equal_each_alone(server: RunningServer) -> None:
    batches = [np.full((rows, 5), rows) for rows in (1, 2, 3, 4)]

    async def ask_together(client: ServerClient) -> list[np.ndarray]:
        answers = await asyncio.gather(
            *(
                client.next_phrases(server.address, tokens, top_k=4, timeout_seconds=5)
                for tokens in batches
            )
        )
        return [answer.probabilities for answer in answers]

    for tokens, together in zip(batches, server.ask(ask_together), strict=True):
        alone = server.ask(partial(ask_phrases, server.address, tokens))
        np.testing.assert_allclose(alone.probabilities, together, rtol=1e-4)


async def ask_phrases(
    address: ServerAddress, tokens: np.ndarray, client: ServerClient
) -> NextPhrases:
    return await client.next_phrases(address, tokens, top_k=4, timeout_seconds=5)


def test_the_end_counts_and_says_why(server: RunningServer) -> None:
    pieces, end = ask_text(server, greedy(PROMPT, new_tokens=7))
    assert FinishReason.LENGTH is end.finish_reason
    assert (end.usage.prompt_tokens, end.usage.completion_tokens) == (5, 7)
    assert len(pieces) == 7


def test_the_text_is_the_tokens_own(server: RunningServer, tokenizer: NetworkTokenizer) -> None:
    pieces, _ = ask_text(server, greedy(PROMPT))
    text = "".join(piece.text for piece in pieces)
    prompt, tokens = tokenizer.decode(PROMPT), [piece.token for piece in pieces]
    assert (
        tokenizer.decode(PROMPT + tokens)
        .rstrip("\N{REPLACEMENT CHARACTER}")
        .startswith(prompt + text.rstrip("\N{REPLACEMENT CHARACTER}"))
    )


def test_a_prompt_of_text_is_read_by_the_networks_tokenizer(
    server: RunningServer, tokenizer: NetworkTokenizer
) -> None:
    words = "import torch"
    asked = {"max_new_tokens": 5, "temperature": 0.0}
    by_text, _ = ask_text(server, GenerateRequest(prompt=words, **asked))
    by_tokens, _ = ask_text(server, GenerateRequest(prompt_tokens=tokenizer.encode(words), **asked))
    assert by_tokens == by_text


def test_a_seed_repeats_a_text_and_another_does_not(server: RunningServer) -> None:
    def draw(seed: int) -> list[int]:
        request = GenerateRequest(prompt_tokens=PROMPT, max_new_tokens=16, temperature=2, seed=seed)
        return [piece.token for piece in ask_text(server, request)[0]]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_a_stop_string_ends_the_text_and_is_not_part_of_it(server: RunningServer) -> None:
    whole = "".join(piece.text for piece in ask_text(server, greedy(PROMPT))[0])
    stop = whole[len(whole) // 2 : len(whole) // 2 + 3]
    request = greedy(PROMPT).model_copy(update={"stop": ["absent", stop]})
    pieces, end = ask_text(server, request)
    assert whole[: whole.index(stop)] == "".join(piece.text for piece in pieces)
    assert FinishReason.STOP is end.finish_reason


def test_the_likeliest_tokens_are_told_beside(
    server: RunningServer, engine: TransformersEngine
) -> None:
    request = greedy(PROMPT, new_tokens=1).model_copy(update={"logprobs": 3})
    piece = ask_text(server, request)[0][0]
    logprobs = torch.from_numpy(engine.next_logits(np.array([PROMPT]))).log_softmax(dim=-1)[0]
    top = logprobs.topk(3)
    assert top.indices.tolist() == [other.token for other in piece.top]
    assert pytest.approx(top.values.tolist(), abs=1e-4) == [o.logprob for o in piece.top]
    assert (piece.top[0].token, piece.top[0].logprob) == (piece.token, piece.logprob)


def test_a_text_stops_when_its_caller_hangs_up(server: RunningServer) -> None:
    async def read_one(client: ServerClient) -> None:
        request = greedy(PROMPT, new_tokens=200)
        async with contextlib.aclosing(
            client.generate(server.address, request, timeout_seconds=30)
        ) as lines:
            await anext(lines)

    before = server.metric('taonet_server_tokens_total{direction="generated"}')
    server.ask(read_one)
    wait_until(lambda: server.metric("taonet_server_streams") == 0, seconds=5)
    written = server.metric('taonet_server_tokens_total{direction="generated"}') - before
    assert 1 <= written < 200


def failure_of(server: RunningServer, address: ServerAddress, timeout_seconds: float) -> str:
    with pytest.raises(ServerFailure) as caught:
        server.ask(
            lambda client: client.next_phrases(
                address, TOKENS, top_k=4, timeout_seconds=timeout_seconds
            )
        )
    return caught.value.code


def test_an_answer_of_another_server_is_not_taken(server: RunningServer) -> None:
    stranger = Keypair.create_from_uri("//Stranger").ss58_address
    address = ServerAddress(stranger, "127.0.0.1", server.address.port)
    assert failure_of(server, address, 5) == FailureCode.REFUSED


def test_nobody_there_is_told(server: RunningServer) -> None:
    address = ServerAddress(server.address.hotkey, "127.0.0.1", 1)
    assert failure_of(server, address, 5) == FailureCode.UNAVAILABLE


@pytest.mark.parametrize("ip", ["localhost", "127.0.0.1:80/@evil", ""])
def test_only_addresses_are_dialled(server: RunningServer, ip: str) -> None:
    address = ServerAddress(server.address.hotkey, ip, 80)
    assert failure_of(server, address, 5) == FailureCode.UNAVAILABLE


def test_the_pool_outlives_failures(server: RunningServer) -> None:
    async def ask_twice() -> None:
        async with httpx.AsyncClient() as http:
            client = ServerClient(server.caller, http)
            gone = ServerAddress(server.address.hotkey, "127.0.0.1", 1)
            with pytest.raises(ServerFailure):
                await client.info(gone, timeout_seconds=1)
            await client.info(server.address, timeout_seconds=5)

    asyncio.run(ask_twice())
