"""On a GPU: what a model says there is what it says on a processor, and short memory is told.

TAONET_TEST_DEVICE=cpu runs the same on a processor, but for what only a GPU's memory can show.
"""

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from tests.server_service.greedy import write_greedy
from tests.server_service.losses import measure_loss, read_windows
from tests.server_service.serving import RunningServer, Surroundings
from tests.server_service.test_prefixes import CONVERSATION, PLENTY

from server_service.client import NextPhrases, ServerClient, ServerFailure
from server_service.pretrained import load_engine
from server_service.quantizing import LOSS_MOVES_MAX
from server_service.reference import TransformersEngine
from server_service.schemas import GenerateRequest
from server_service.starters import STARTER_MODELS
from server_service.tokenizer import load_tokenizer

DEVICE = torch.device(os.environ.get("TAONET_TEST_DEVICE", "cuda"))
OAK = STARTER_MODELS / "oak"
VOCABULARY = 2048
STEPS = 64
PROMPTS = [list(range(start, start + 3 + 5 * row)) for row, start in enumerate(range(9, 400, 50))]
LEFT_BYTES = 64 * 2**20
LARGE, SMALL = np.full((64, 1000), 5), np.full((1, 8), 5)

pytestmark = pytest.mark.skipif(
    DEVICE.type == "cuda" and not torch.cuda.is_available(), reason="no CUDA on this machine"
)
needs_card = pytest.mark.skipif(DEVICE.type != "cuda", reason="only a GPU's memory is bounded so")


@pytest.fixture(scope="module")
def reference() -> TransformersEngine:
    """On the processor."""
    return load_engine(str(OAK), VOCABULARY, threads=1)


@pytest.fixture(scope="module")
def engine() -> TransformersEngine:
    return load_engine(str(OAK), VOCABULARY, 1, DEVICE, prefix_bytes=PLENTY)


@pytest.fixture(scope="module")
def server(surroundings: Surroundings) -> Iterator[RunningServer]:
    """It chooses itself what writes its texts, as Servers do."""
    changes = {"SERVER_MODEL": OAK, "SERVER_NETWORK_TOKENIZER": "", "SERVER_DEVICE": DEVICE}
    with surroundings.run("card", SERVER_RATE_BURST=1000, **changes) as server:
        yield server


def test_texts_of_a_batch_equal_those_written_alone_and_on_the_processor(
    engine: TransformersEngine, reference: TransformersEngine
) -> None:
    together = write_greedy(engine, PROMPTS, STEPS)
    assert together == write_greedy(engine, PROMPTS, STEPS, len(PROMPTS))
    assert together == [write_greedy(engine, [prompt], STEPS)[0] for prompt in PROMPTS]
    assert together == write_greedy(reference, PROMPTS, STEPS)


def test_texts_that_begin_alike_equal_those_of_a_model_that_remembers_nothing(
    engine: TransformersEngine, reference: TransformersEngine
) -> None:
    assert write_greedy(engine, CONVERSATION, STEPS) == write_greedy(reference, CONVERSATION, STEPS)


def test_the_arrays_are_the_processor_s(
    engine: TransformersEngine, reference: TransformersEngine
) -> None:
    tokens = np.array([PROMPTS[1], PROMPTS[1][::-1]])
    for name in ("next_logits", "every_logits", "hidden_states"):
        ours, theirs = getattr(engine, name)(tokens), getattr(reference, name)(tokens)
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> list[list[int]]:
    return read_windows(tmp_path_factory.mktemp("corpus") / "text", OAK)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_another_number_format_costs_next_to_nothing(
    reference: TransformersEngine, windows: list[list[int]], dtype: torch.dtype
) -> None:
    coarse = load_engine(str(OAK), VOCABULARY, 1, DEVICE, dtype)
    moved = measure_loss(coarse, windows) - measure_loss(reference, windows)
    assert abs(moved) <= (1e-4 if dtype is torch.float32 else LOSS_MOVES_MAX)


def ask_for_texts(server: RunningServer, count: int, **wishes: Any) -> list[str | ServerFailure]:
    """What so many callers at once are told."""

    async def ask(client: ServerClient) -> str | ServerFailure:
        request = GenerateRequest(prompt="def main(", temperature=0, **wishes)
        pieces = []
        try:
            async for piece in client.generate(server.address, request, timeout_seconds=100):
                pieces.append(getattr(piece, "text", ""))
        except ServerFailure as failure:
            return failure
        return "".join(pieces)

    async def ask_all() -> list[str | ServerFailure]:
        async with httpx.AsyncClient(timeout=120) as http:
            client = ServerClient(server.caller, http)
            return await asyncio.gather(*[ask(client) for _ in range(count)])

    return asyncio.run(ask_all())


def test_a_server_writes_what_the_processor_writes(
    server: RunningServer, reference: TransformersEngine
) -> None:
    tokenizer = load_tokenizer(str(OAK))
    expected = write_greedy(reference, [tokenizer.encode("def main(")], STEPS)[0]
    texts = ask_for_texts(server, 32, max_new_tokens=STEPS)
    assert set(texts) == {tokenizer.decode(expected)}


def ask_next(server: RunningServer, tokens: np.ndarray) -> NextPhrases:
    wish: dict[str, Any] = {"top_k": 4, "timeout_seconds": 60}
    return server.ask(lambda client: client.next_phrases(server.address, tokens, **wish))


@pytest.fixture
def little_memory(server: RunningServer) -> Iterator[None]:
    """What is taken now, and a little more."""
    ask_for_texts(server, 1, max_new_tokens=1)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + LEFT_BYTES) / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


@needs_card
@pytest.mark.usefixtures("little_memory")
def test_a_pass_too_large_for_the_card_is_refused_and_the_next_is_answered(
    server: RunningServer,
) -> None:
    before = ask_next(server, SMALL)
    with pytest.raises(ServerFailure, match="too little memory"):
        ask_next(server, LARGE)
    after = ask_next(server, SMALL)
    np.testing.assert_array_equal(before.ids, after.ids)


@needs_card
@pytest.mark.usefixtures("little_memory")
def test_more_texts_than_the_card_holds_are_refused_and_the_next_is_written(
    server: RunningServer,
) -> None:
    alone = ask_for_texts(server, 1, max_new_tokens=8, seed=1, logprobs=1)
    told = ask_for_texts(server, 64, max_new_tokens=900, seed=1, logprobs=1)
    failures = [one for one in told if isinstance(one, ServerFailure)]
    assert failures
    assert all("too little memory" in failure.message for failure in failures)
    assert ask_for_texts(server, 1, max_new_tokens=8, seed=1, logprobs=1) == alone
