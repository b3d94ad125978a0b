"""Learning, stopping, going on, and writing what was learned: on a tiny model and little text."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from server_service.domain.recipe import Recipe
from server_service.training import learn as learning
from server_service.training.batches import Tokens, draw_windows, encode_chunks
from server_service.training.build import Places, build_model
from server_service.training.errors import TrainingError
from server_service.training.learn import learn
from server_service.training.measure import count_predictions, load_model, measure_model
from server_service.training.record import load_record
from server_service.training.tokenizer import load_tokenizer, train_tokenizer
from taonet.corpus import Chunk, Source, build_corpus, python_library

TINY = Recipe("tiny", steps=6, seed=5, width=16, layers=1, heads=2, feed_forward=32)


class Killed(Exception):
    """What stands in for a kill in the middle of a run."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three packages of the library: enough for 2,048 tokens, quick to read."""
    library = python_library()
    patterns = ("json/*.py", "email/*.py", "unittest/*.py", "collections/*.py", "copy.py")
    folder = tmp_path_factory.mktemp("corpus")
    build_corpus(folder, [Source("python", "test", "PSF-2.0", library.root, patterns)])
    return folder


@pytest.fixture(scope="module")
def places(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Places:
    home = tmp_path_factory.mktemp("home")
    return Places(home / "models", corpus, home / "training")


@pytest.fixture(scope="module")
def built(places: Places) -> Path:
    build_model(TINY, places, lambda steps, loss: None)
    return places.models / "tiny"


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    return np.random.default_rng(1).integers(2, 40, size=5000).astype(np.int32)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def state_of(model: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_a_killed_run_goes_on_to_the_same_weights(
    tmp_path: Path, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "CHECKPOINT_STEPS", 2)
    told: list[int] = []

    def stop_after_five(steps: int, loss: float) -> None:
        if steps == 5:
            raise Killed

    whole = learn(TINY, tokens, tmp_path / "whole.pt", lambda steps, loss: None)
    with pytest.raises(Killed):
        learn(TINY, tokens, tmp_path / "killed.pt", stop_after_five)
    resumed = learn(TINY, tokens, tmp_path / "killed.pt", lambda steps, loss: told.append(steps))

    assert told == [5, 6]
    expected = state_of(whole.model)
    assert all(torch.equal(expected[name], t) for name, t in state_of(resumed.model).items())


def test_another_seed_gives_another_model(tmp_path: Path, tokens: Tokens) -> None:
    def run(recipe: Recipe) -> torch.Tensor:
        learned = learn(recipe, tokens, tmp_path / "none.pt", lambda steps, loss: None)
        return state_of(learned.model)["model.embed_tokens.weight"]

    short = replace(TINY, steps=2)
    assert torch.equal(run(short), run(short))
    assert not torch.equal(run(short), run(replace(short, seed=6)))


def test_learning_lowers_the_loss(tmp_path: Path) -> None:
    """A text of two tokens in turn is learned within a few steps."""
    turns = np.tile(np.array([5, 9], dtype=np.int32), 2000)
    losses: list[float] = []
    recipe = replace(TINY, steps=40, warm_up_steps=5)
    learn(recipe, turns, tmp_path / "none.pt", lambda steps, loss: losses.append(loss))

    assert losses[0] == pytest.approx(np.log(2048), rel=0.05)
    assert losses[-1] < 0.6 * losses[0]


def test_a_damaged_checkpoint_says_what_to_do(tmp_path: Path, tokens: Tokens) -> None:
    (tmp_path / "bad.pt").write_bytes(b"half a file")

    with pytest.raises(TrainingError, match="remove it to start anew"):
        learn(TINY, tokens, tmp_path / "bad.pt", lambda steps, loss: None)


def test_windows_follow_from_seed_and_step() -> None:
    row = np.arange(5000, dtype=np.int32)
    windows = draw_windows(row, window=256, seed=1, step=7)

    assert windows.shape == (8, 257)
    assert (np.diff(windows, axis=1) == 1).all()
    assert np.array_equal(windows, draw_windows(row, window=256, seed=1, step=7))
    assert not np.array_equal(windows, draw_windows(row, window=256, seed=1, step=8))
    with pytest.raises(TrainingError, match="add text"):
        draw_windows(row[:257], window=256, seed=1, step=7)


def test_documents_are_told_apart(built: Path) -> None:
    tokenizer = load_tokenizer(built / "tokenizer.json")
    chunks = [Chunk("1", "a", "import os\n"), Chunk("2", "a", "é\n"), Chunk("3", "b", "x\n")]
    encoded = encode_chunks(tokenizer, chunks)

    assert encoded.text_bytes == 15
    ends = np.flatnonzero(encoded.tokens == 0)
    assert len(ends) == 2
    assert tokenizer.decode(encoded.tokens[: ends[0]].tolist()) == "import os\né\n"


def test_the_tokenizer_needs_enough_text() -> None:
    with pytest.raises(TrainingError, match="add more text"):
        train_tokenizer(["too little"])


def test_a_file_that_is_no_tokenizer_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")

    with pytest.raises(TrainingError, match="remove it"):
        load_tokenizer(tmp_path / "tokenizer.json")


def test_a_built_model_is_whole(built: Path, places: Places) -> None:
    record = load_record(built)
    assert record is not None
    tokenizer = Tokenizer.from_file(str(built / "tokenizer.json"))

    assert all(path.stat().st_mode & 0o777 == 0o644 for path in built.iterdir())
    assert (built / "tokenizer.json").read_bytes() == (
        places.models / "tokenizer.json"
    ).read_bytes()
    assert tokenizer.get_vocab_size() == 2048
    assert not list(places.checkpoints.glob("*"))
    assert f"**{record.measured.heldout_nats:.3f} nats/token**" in (built / "README.md").read_text()
    assert "[tiny](tiny)" in (places.models / "README.md").read_text()


def test_weights_are_stored_in_half_the_bytes_and_used_in_whole(built: Path) -> None:
    record = load_record(built)
    assert record is not None
    size = (built / "model.safetensors").stat().st_size

    assert 2 * record.parameters < size < 2 * record.parameters + 4096
    assert load_model(built).dtype == torch.float32


def test_what_is_built_is_left_alone(built: Path, places: Places) -> None:
    before = (built / "model.safetensors").stat().st_mtime_ns
    told: list[int] = []
    build_model(TINY, places, lambda steps, loss: told.append(steps))

    assert told == []
    assert (built / "model.safetensors").stat().st_mtime_ns == before


def test_the_measure_is_the_loss_of_the_text(built: Path) -> None:
    """A model of random weights is about as good as a guess: ln 2048 a token."""
    model = load_model(built)
    for parameter in model.parameters():
        parameter.data.zero_()
    chunks = [Chunk("1", "a", "def f(x):\n    return x\n" * 300)]
    encoded = encode_chunks(load_tokenizer(built / "tokenizer.json"), chunks)
    told: list[int] = []
    measured = measure_model(model, encoded, told.append)

    assert sum(told) == pytest.approx(count_predictions(encoded), rel=0.2)
    guess = np.log(2048)
    assert measured.heldout_nats == pytest.approx(guess)
    assert measured.long_nats == pytest.approx(guess)
    assert measured.question_nats == pytest.approx(guess)
    bits = guess / np.log(2) * len(encoded.tokens) / encoded.text_bytes
    assert measured.heldout_bits_per_byte == pytest.approx(bits)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_damaged_model_is_refused(built: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(built, tmp_path / "damaged")
    (tmp_path / "damaged" / name).write_bytes(b"{")

    with pytest.raises(TrainingError, match="cannot be loaded"):
        load_model(tmp_path / "damaged")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="name a model's folder"):
        load_model(tmp_path)
