"""The fast writer: what it writes is what the reference writes, however texts share its batches."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import transformers
from tests.server_service.serving import wait_until
from tests.server_service.test_engine import greedy_alone

from server_service.conversion import NotConvertible, convert
from server_service.domain.sampling import Sampling, log_softmax
from server_service.generation import Finish, GenerateJob, Piece
from server_service.lanes import Lanes
from server_service.loading import load_writer
from server_service.model import ServedModel
from server_service.reference import TransformersEngine
from server_service.schemas import FinishReason
from server_service.settings import ServerSettings
from server_service.writing import FastWriter
from taonet.kit.errors import Refusal

GREEDY = Sampling(temperature=0, top_p=1, top_k=0)
STEPS = 48
LENGTHS = (3, 5, 5, 9, 60, 61, 100, 100)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def writer(model_folder: Path, cache: Path) -> FastWriter:
    folder = convert(model_folder, cache)
    return FastWriter(folder, device="cpu", compute_type="float32", lanes=2, threads=1)


@pytest.fixture
def model(engine: TransformersEngine, writer: FastWriter) -> Iterator[ServedModel]:
    model = ServedModel(engine, writer, lambda ids: "x" * len(ids), queue_size=64)
    model.start()
    yield model
    model.stop()
    assert not model.alive


def make_prompts() -> list[list[int]]:
    random = np.random.default_rng(5)
    return [random.integers(2, 2000, length).tolist() for length in LENGTHS]


class Text:
    """A text that a test asked for, and what happened to it."""

    def __init__(self, model: ServedModel, prompt: list[int], **changes: object) -> None:
        self.happened: list[Piece | Finish | Refusal] = []
        values: dict[str, object] = {
            "prompt": prompt,
            "new_tokens": STEPS,
            "sampling": GREEDY,
            "seed": None,
            "stops": [],
            "top_logprobs": 0,
            "stake_rao": 0,
            "deadline_seconds": time.monotonic() + 60,
            "emit": self.happened.append,
            **changes,
        }
        self.job = GenerateJob(**values)  # type: ignore[arg-type]
        model.submit_text(self.job)

    @property
    def pieces(self) -> list[Piece]:
        return [it for it in self.happened if isinstance(it, Piece)]

    def finish(self) -> Finish | Refusal:
        wait_until(lambda: self.happened and not isinstance(self.happened[-1], Piece))
        last = self.happened[-1]
        assert not isinstance(last, Piece)
        return last

    def tokens(self) -> list[int]:
        self.finish()
        return [piece.token for piece in self.pieces]


def end_early(tokens: list[int]) -> list[int]:
    """Up to the end of text, which is token 0."""
    return tokens[: tokens.index(0) + 1] if 0 in tokens else tokens


@pytest.mark.parametrize("quantum", [4, 64])
def test_texts_that_share_batches_equal_the_reference(
    engine: TransformersEngine, writer: FastWriter, monkeypatch: pytest.MonkeyPatch, quantum: int
) -> None:
    """A quantum of 4 makes every batch give way many times."""
    monkeypatch.setattr(
        "server_service.model.Lanes",
        lambda writer, lanes, size: Lanes(writer, lanes, size, quantum_tokens=quantum),
    )
    model = ServedModel(engine, writer, lambda ids: "", queue_size=64)
    model.start()
    texts = [Text(model, prompt) for prompt in make_prompts()]
    written = [text.tokens() for text in texts]
    model.stop()
    assert [end_early(greedy_alone(engine, p, STEPS)) for p in make_prompts()] == written


def test_logprobs_are_the_models_own(model: ServedModel, engine: TransformersEngine) -> None:
    prompt = make_prompts()[3]
    text = Text(model, prompt, sampling=Sampling(temperature=1.7, top_p=0.9, top_k=50))
    tokens = prompt + text.tokens()
    every = engine.every_logits(np.array([tokens]))[0]
    for place, piece in enumerate(text.pieces, len(prompt)):
        expected = log_softmax(every[place - 1])[piece.token]
        assert abs(piece.logprob - expected) < 1e-3


@pytest.mark.parametrize(("top_p", "top_k"), [(1e-300, 0), (0.5, 10**6), (1.0, 10**30)])
def test_wishes_at_their_ends_are_no_failures(model: ServedModel, top_p: float, top_k: int) -> None:
    """A gateway lets a Server rest that fails: by such a wish a consumer could silence it."""
    text = Text(model, [5, 6, 7], sampling=Sampling(1.0, top_p, top_k), new_tokens=4)
    assert isinstance(text.finish(), Finish)


def test_chance_differs_from_text_to_text(model: ServedModel) -> None:
    wild = Sampling(temperature=2, top_p=1, top_k=0)
    texts = [Text(model, make_prompts()[0], sampling=wild, new_tokens=8) for _ in range(4)]
    assert len({tuple(text.tokens()) for text in texts}) > 1


@pytest.mark.parametrize("changes", [{"seed": 7}, {"top_logprobs": 3}])
def test_what_it_cannot_do_exactly_the_reference_does(
    model: ServedModel, changes: dict[str, object]
) -> None:
    wild = Sampling(temperature=1.5, top_p=1, top_k=0)
    texts = [Text(model, make_prompts()[0], sampling=wild, **changes) for _ in range(2)]
    first, second = (text.tokens() for text in texts)
    if "seed" in changes:
        assert first == second
    else:
        assert all(len(piece.top) == 3 for text in texts for piece in text.pieces)


def test_a_text_ends_by_stop_string_deadline_and_leaving(model: ServedModel) -> None:
    stopped = Text(model, make_prompts()[1], stops=["xxx"])
    finish = stopped.finish()
    assert isinstance(finish, Finish)
    assert (finish.finish_reason, finish.completion_tokens) == (FinishReason.STOP, 3)
    late = Text(model, make_prompts()[1], deadline_seconds=time.monotonic() + 1e-4).finish()
    assert isinstance(late, Refusal) or late.finish_reason is FinishReason.TIMEOUT


def test_who_leaves_frees_the_lane(model: ServedModel) -> None:
    left = Text(model, make_prompts()[4], new_tokens=150)
    left.job.gone = True
    wait_until(lambda: not model.busy, seconds=10)
    assert len(left.pieces) < 150


def test_a_broken_reader_does_not_end_the_others(model: ServedModel) -> None:
    def fail(happened: object) -> None:
        if isinstance(happened, Piece):
            raise RuntimeError("broken")

    texts = [Text(model, make_prompts()[1]) for _ in range(3)]
    Text(model, make_prompts()[1], emit=fail)
    assert all(len(text.tokens()) == len(texts[0].tokens()) for text in texts)


def test_texts_go_on_when_better_weights_come(
    model: ServedModel, engine: TransformersEngine, writer: FastWriter
) -> None:
    texts = [Text(model, make_prompts()[4], seed=1, new_tokens=100) for _ in range(2)]
    texts += [Text(model, make_prompts()[4], new_tokens=100) for _ in range(2)]
    wait_until(lambda: all(text.pieces for text in texts))
    model.swap(engine, writer)
    expected = end_early(greedy_alone(engine, make_prompts()[4], 100))
    assert [text.tokens() for text in texts] == [expected] * 4


def test_a_conversion_is_made_once_and_appears_whole(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = convert(model_folder, tmp_path)
    assert list(tmp_path.iterdir()) == [folder]
    made = (folder / "model.bin").stat().st_mtime_ns
    assert convert(model_folder, tmp_path) == folder
    # Another process that began before the first had ended.
    monkeypatch.setattr("server_service.conversion.is_made", lambda target: False)
    assert convert(model_folder, tmp_path) == folder
    assert list(tmp_path.iterdir()) == [folder]
    assert (folder / "model.bin").stat().st_mtime_ns == made


def test_other_weights_are_another_conversion(model_folder: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    other = Path(shutil.copytree(model_folder, tmp_path / "other"))
    weights = load_file(other / "model.safetensors")
    weights["model.norm.weight"] = weights["model.norm.weight"] * 2
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    cache = tmp_path / "cache"
    assert convert(model_folder, cache) != convert(other, cache)


def test_an_architecture_without_a_place_is_named(tmp_path: Path) -> None:
    config = transformers.BioGptConfig(
        vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=1
    )
    transformers.BioGptForCausalLM(config).save_pretrained(tmp_path / "foreign")
    with pytest.raises(NotConvertible, match="foreign"):
        convert(tmp_path / "foreign", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_where_a_device_lacks_its_libraries_torch_writes(
    model_folder: Path, cache: Path, engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(writer: FastWriter) -> None:
        raise RuntimeError("Library libcublas.so.12 is not found")

    monkeypatch.setattr(FastWriter, "prove", fail)
    settings = ServerSettings(server_model=str(model_folder), server_device="cpu")
    assert load_writer(settings, str(model_folder), engine, cache) is None
    insisting = settings.model_copy(update={"server_engine": "ctranslate2"})
    with pytest.raises(ValueError, match="libcublas"):
        load_writer(insisting, str(model_folder), engine, cache)
