"""A model with a tokenizer of its own answers in the network's tokens, whatever is asked."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.server_service.serving import RunningServer, Surroundings
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

from server_service.client import (
    GenerateEnd,
    GeneratePiece,
    GenerateRequest,
    ServerClient,
    ServerFailure,
)
from server_service.foreign import ForeignEngine, Translation
from server_service.pretrained import load_engine
from server_service.tokenizer import NetworkTokenizer, load_tokenizer

VOCABULARY = 900
TEXT = "def read(self, path):\n    return open(path).read()\n"


@pytest.fixture(scope="module")
def foreign_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A unigram tokenizer that marks spaces instead of bytes, and a random model."""
    folder = tmp_path_factory.mktemp("foreign") / "unigram"
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
        initializer_range=0.5,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="never")
    trainer = trainers.UnigramTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["</s>", "<unk>"],
        unk_token="<unk>",
        initial_alphabet=[chr(code) for code in (*range(32, 127), 10)],
        show_progress=False,
    )
    tokenizer.train_from_iterator([Path(torch.__file__).read_text()], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def foreign(foreign_folder: Path, tokenizer: NetworkTokenizer) -> ForeignEngine:
    own = load_tokenizer(str(foreign_folder))
    engine = load_engine(str(foreign_folder), own.vocabulary_size, threads=1)
    return ForeignEngine(engine, Translation(own, tokenizer, engine.facts.end_tokens))


def test_the_next_token_is_the_models_summed_by_first_network_token(
    foreign: ForeignEngine, foreign_folder: Path, tokenizer: NetworkTokenizer
) -> None:
    own = load_tokenizer(str(foreign_folder))
    engine = load_engine(str(foreign_folder), own.vocabulary_size, threads=1)
    row = tokenizer.encode(TEXT)
    p = torch.softmax(torch.from_numpy(engine.next_logits(np.array([own.encode(TEXT)]))[0]), 0)
    expected = np.zeros(tokenizer.vocabulary_size)
    for token in range(own.vocabulary_size):
        text = own.decode([*own.encode("a"), token])[1:]
        if ids := tokenizer.encode(text):
            expected[ids[0]] += p[token]
    answered = np.exp(foreign.next_logits(np.array([row]))[0])
    np.testing.assert_allclose(answered, expected / expected.sum(), atol=1e-5)


def test_every_position_agrees_with_the_row_cut_there(
    foreign: ForeignEngine, tokenizer: NetworkTokenizer
) -> None:
    """Where the model's own tokens end too, what follows does not depend on what comes later."""
    row = tokenizer.encode("return open\nreturn open\nreturn")
    every = foreign.every_logits(np.array([row]))[0]
    newline = tokenizer.encode("\n")[0]
    for place in [place for place, token in enumerate(row) if token == newline]:
        alone = foreign.next_logits(np.array([row[: place + 1]]))[0]
        np.testing.assert_allclose(np.exp(every[place]), np.exp(alone), atol=1e-4)


def test_all_kinds_of_request_are_answered(
    surroundings: Surroundings, foreign_folder: Path, tokenizer: NetworkTokenizer
) -> None:
    tokens = np.array([tokenizer.encode(TEXT)[:12]] * 2)
    with surroundings.run("foreign", SERVER_MODEL=foreign_folder) as server:
        address = server.address
        phrases = server.ask(
            lambda client: client.next_phrases(address, tokens, top_k=8, timeout_seconds=9)
        )
        every = server.ask(
            lambda client: client.token_probabilities(address, tokens, top_k=8, timeout_seconds=9)
        )
        hidden = server.ask(lambda client: client.hidden_states(address, tokens, timeout_seconds=9))
        greedy, seeded, sampled = (
            server.ask(partial(write, server=server, changes=changes))
            for changes in ({"temperature": 0}, {"seed": 3}, {"logprobs": 2})
        )
        info = server.ask(lambda client: client.info(address, timeout_seconds=9))
    assert (phrases.ids.shape, every.ids.shape) == ((2, 8, 1), (2, 12, 8))
    assert hidden.shape == (2, 12, 32)
    assert (info.vocabulary_size, info.tokenizer_sha256) == (2048, tokenizer.sha256)
    for pieces, end in (greedy, seeded, sampled):
        assert end.usage.prompt_tokens == len(tokenizer.encode(TEXT))
        assert end.usage.completion_tokens == len(pieces) <= 20
        assert "".join(piece.text for piece in pieces)


async def write(
    client: ServerClient, server: RunningServer, changes: dict[str, Any]
) -> tuple[list[GeneratePiece], GenerateEnd]:
    request = GenerateRequest(prompt=TEXT, max_new_tokens=20, **changes)
    lines = [line async for line in client.generate(server.address, request, timeout_seconds=9)]
    end = lines.pop()
    assert isinstance(end, GenerateEnd)
    return [line for line in lines if isinstance(line, GeneratePiece)], end


def test_what_needs_the_networks_own_tokens_is_refused(
    surroundings: Surroundings, foreign_folder: Path
) -> None:
    with surroundings.run("literal", SERVER_MODEL=foreign_folder) as server:
        for wish in ({"logit_bias": {3: 1.0}}, {"json_schema": {"type": "object"}}):
            with pytest.raises(ServerFailure, match="tokenizer of its own"):
                server.ask(partial(write, server=server, changes=wish))
