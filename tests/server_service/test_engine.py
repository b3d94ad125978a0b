"""The engine: rows that share a batch say what they say alone."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from server_service.pretrained import load_engine
from server_service.reference import TransformersEngine
from server_service.tokenizer import ModelUnreadable, load_tokenizer

PROMPTS = [[5, 6, 7, 8, 9], [300, 301], [1000], [44, 45, 46, 47, 48, 49, 50]]
STEPS = 24


def greedy_alone(engine: TransformersEngine, prompt: list[int], steps: int) -> list[int]:
    """The reference: transformers' own generation."""
    ids = torch.tensor([prompt])
    output = engine.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=steps,
        do_sample=False,
        eos_token_id=-1,
        pad_token_id=0,
    )
    return [int(token) for token in output[0, len(prompt) :]]


def test_texts_that_join_and_leave_a_batch_equal_texts_alone(engine: TransformersEngine) -> None:
    batch = engine.start_batch()
    texts: list[list[int]] = []
    running: list[int] = []
    for turn in range(4 * STEPS):
        if running:
            logits = batch.step([texts[text][-1] for text in running])
            for text, row in zip(running, logits, strict=True):
                texts[text].append(int(row.argmax()))
        if turn % 5 == 0 and len(texts) < len(PROMPTS):
            first = batch.join([PROMPTS[len(texts)]])
            running.append(len(texts))
            texts.append([int(first[0].argmax())])
        staying = [place for place, text in enumerate(running) if len(texts[text]) < STEPS]
        if len(staying) < len(running):
            batch.keep(staying)
            running = [running[place] for place in staying]

    assert [greedy_alone(engine, prompt, STEPS) for prompt in PROMPTS] == texts


def test_a_batch_is_empty_after_all_have_left(engine: TransformersEngine) -> None:
    batch = engine.start_batch()
    first = batch.join([PROMPTS[0]])
    batch.keep([])
    np.testing.assert_array_equal(first, batch.join([PROMPTS[0]]))


def test_the_three_views_of_a_model_agree(engine: TransformersEngine) -> None:
    tokens = np.array([PROMPTS[0], PROMPTS[0][::-1]])
    every = engine.every_logits(tokens)
    np.testing.assert_allclose(every[:, -1], engine.next_logits(tokens), atol=1e-4)
    head = engine.model.get_output_embeddings().weight.numpy()
    np.testing.assert_allclose(every, engine.hidden_states(tokens) @ head.T, atol=1e-4)


def test_the_facts_come_from_the_model(engine: TransformersEngine) -> None:
    facts = engine.facts
    assert (facts.name, facts.vocabulary_size, facts.context_length) == ("tiny", 2048, 256)
    assert frozenset({0}) == facts.end_tokens


@pytest.fixture
def copy(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    tmp_path.joinpath("empty").mkdir()
    with pytest.raises(ModelUnreadable, match="empty"):
        load_engine(str(tmp_path / "empty"), 2048, threads=1)
    with pytest.raises(ModelUnreadable, match="empty"):
        load_tokenizer(str(tmp_path / "empty"))
    with pytest.raises(ModelUnreadable, match="nowhere: there is no such folder"):
        load_tokenizer(str(tmp_path / "nowhere"))


def test_a_cut_off_model_is_named(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelUnreadable, match="copy"):
        load_engine(str(copy), 2048, threads=1)


def test_missing_weights_are_not_made_up(copy: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelUnreadable, match="weights are missing"):
        load_engine(str(copy), 2048, threads=1)


def test_pickled_weights_are_not_opened(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    torch.save({}, copy / "pytorch_model.bin")
    with pytest.raises(ModelUnreadable, match="safetensors"):
        load_engine(str(copy), 2048, threads=1)


def test_a_tokenizer_larger_than_the_model_is_refused(model_folder: Path) -> None:
    with pytest.raises(ModelUnreadable, match="more tokens"):
        load_engine(str(model_folder), 2049, threads=1)
