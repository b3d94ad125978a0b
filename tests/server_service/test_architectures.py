"""Models that mark places in other ways than the starter models do: alone as in a batch."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tests.server_service.greedy import write_greedy
from transformers import PreTrainedModel

from server_service.pretrained import load_engine
from server_service.tokenizer import ModelUnreadable

VOCABULARY = 512
SIZES: dict[str, Any] = {"vocab_size": VOCABULARY, "initializer_range": 0.5}
SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
PROMPTS = [[5, 6, 7, 8, 9], [300, 301], [100], list(range(40, 56))]
STEPS = 16


def build(name: str) -> PreTrainedModel:
    torch.manual_seed(0)
    match name:
        case "learned positions":
            return transformers.GPT2LMHeadModel(
                transformers.GPT2Config(n_embd=32, n_layer=2, n_head=2, **SIZES)
            )
        case "distances":
            return transformers.BloomForCausalLM(
                transformers.BloomConfig(hidden_size=32, n_layer=2, n_head=2, **SIZES)
            )
        case "sliding window":
            return transformers.MistralForCausalLM(
                transformers.MistralConfig(sliding_window=8, **SMALL, **SIZES)
            )
    return transformers.MambaForCausalLM(
        transformers.MambaConfig(hidden_size=32, num_hidden_layers=2, **SIZES)
    )


@pytest.mark.parametrize("at_once", [1, len(PROMPTS)])
@pytest.mark.parametrize("name", ["learned positions", "distances", "sliding window"])
def test_a_batch_equals_alone(name: str, at_once: int, tmp_path: Path) -> None:
    build(name).save_pretrained(tmp_path)
    engine = load_engine(str(tmp_path), VOCABULARY, threads=1)
    texts = write_greedy(engine, PROMPTS, STEPS, at_once)
    for prompt, text in zip(PROMPTS, texts, strict=True):
        ids = torch.tensor([prompt])
        output = engine.model.generate(
            ids, attention_mask=torch.ones_like(ids), min_new_tokens=STEPS, max_new_tokens=STEPS
        )
        assert output[0, len(prompt) :].tolist() == text


def test_a_recurrent_model_is_refused(tmp_path: Path) -> None:
    build("recurrent").save_pretrained(tmp_path)
    with pytest.raises(ModelUnreadable, match="recurrent"):
        load_engine(str(tmp_path), VOCABULARY, threads=1)
