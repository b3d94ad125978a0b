"""Teaching a model that exists, and a Server that does so while it serves."""

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.server_service.serving import RunningServer, Surroundings, wait_until

from server_service.client import GenerateEnd, GenerateRequest, ServerClient
from server_service.domain.behaviour import HONEST
from server_service.domain.recipe import Recipe
from server_service.learning import Learner
from server_service.loading import open_model
from server_service.pretrained import choose_device, choose_dtype
from server_service.settings import ServerSettings
from server_service.training.curve import LossCurve
from server_service.training.finetune import finetune, load_lesson, split_off
from taonet.corpus import Source, build_corpus, read_chunks

STEPS = 12


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    documents = folder / "documents"
    documents.mkdir()
    for path in sorted(Path(asyncio.__file__).parents[1].glob("[a-h]*.py")):
        shutil.copy(path, documents)
    build_corpus(folder / "corpus", [Source("library", "1", "PSF-2.0", documents)])
    return folder / "corpus"


def teach(source: Path, target: Path, corpus: Path) -> float:
    recipe = Recipe(target.name, steps=STEPS, seed=1)
    lesson = finetune(source, target, corpus, recipe, target.parent / "work", lambda *_: None)
    return lesson.nats_after - lesson.nats_before


def test_a_lesson_lowers_the_loss_and_the_next_goes_on(
    model_folder: Path, corpus: Path, tmp_path: Path
) -> None:
    assert teach(model_folder, tmp_path / "first", corpus) < 0
    assert teach(tmp_path / "first", tmp_path / "second", corpus) < 0
    first, second = load_lesson(tmp_path / "first"), load_lesson(tmp_path / "second")
    assert first is not None
    assert second is not None
    assert second.steps == 2 * STEPS
    assert second.nats_before == pytest.approx(first.nats_after, abs=1e-3)
    assert (tmp_path / "second" / "tokenizer.json").is_file()


def test_no_lesson_reads_what_it_is_judged_by(corpus: Path) -> None:
    read = {chunk.id for chunk in split_off(corpus, kept=False)}
    judged = {chunk.id for chunk in split_off(corpus, kept=True)}
    heldout = {chunk.id for chunk in read_chunks(corpus, "heldout")}
    assert judged
    assert not judged & read
    assert not heldout & (read | judged)


def test_the_curve_keeps_the_last_run_of_a_step(tmp_path: Path) -> None:
    curve = LossCurve(tmp_path / "a.losses")
    for step, loss in ((1, 3.0), (2, 2.0), (2, 2.5), (3, 1.0)):
        curve.add(step, loss)
    assert curve.read() == {1: 3.0, 2: 2.5, 3: 1.0}
    assert curve.plot(tmp_path / "loss.png", "a")
    assert (tmp_path / "loss.png").stat().st_size > 1000


async def write(client: ServerClient, server: RunningServer, seed: int | None) -> bool:
    """Whether a text of two hundred tokens came to its end."""
    request = GenerateRequest(prompt="import", max_new_tokens=200, temperature=2, seed=seed)
    lines = [line async for line in client.generate(server.address, request, timeout_seconds=60)]
    return isinstance(lines[-1], GenerateEnd)


async def write_all(client: ServerClient, server: RunningServer) -> list[bool]:
    return await asyncio.gather(*[write(client, server, seed) for seed in (None, 1, None, 2)])


def test_better_weights_are_served_and_nobody_is_dropped(
    surroundings: Surroundings, corpus: Path, tmp_path: Path
) -> None:
    changes = {"CORPUS_PATH": corpus, "SERVER_LEARN_PATH": tmp_path / "learnt"}
    learn = {"SERVER_LEARN": "true", "SERVER_LEARN_STEPS": STEPS}
    tokens = np.arange(8).reshape(1, 8)
    with surroundings.run("pupil", **changes, **learn) as server:
        ask = lambda client: client.next_phrases(  # noqa: E731
            server.address, tokens, top_k=8, timeout_seconds=60
        )
        before = server.ask(ask)
        finished: list[bool] = []
        while not (tmp_path / "learnt" / "pupil" / "best").is_dir():
            finished += server.ask(lambda client: write_all(client, server))
        wait_until(lambda: not np.array_equal(server.ask(ask).probabilities, before.probabilities))
        finished += server.ask(lambda client: write_all(client, server))
        assert server.metric("taonet_server_validation_loss_nats") > 0
    assert all(finished)


class Pupil:
    """A learner whose lessons the test gives."""

    def __init__(self, model: Path, folder: Path, corpus: Path) -> None:
        self.folder = folder
        self.taken: list[Path] = []
        self.sources: list[Path] = []
        self.learner = Learner(model, folder, corpus, STEPS, self.taken.append)
        self.learner._learn = lambda source, seed: self.sources.append(source)  # type: ignore[method-assign]

    def learn(self, model: Path, nats_after: float, steps: int) -> None:
        write_lesson(model, self.folder / "trial", nats_after, steps)
        self.learner.turn()

    def steps(self) -> int:
        lesson = load_lesson(self.folder / "best")
        assert lesson is not None
        return lesson.steps


def write_lesson(model: Path, folder: Path, nats_after: float, steps: int) -> None:
    shutil.copytree(model, folder)
    (folder / "lesson.json").write_text(
        f'{{"nats_before": 3.0, "nats_after": {nats_after}, "steps": {steps}, "train_sha256": ""}}'
    )


@pytest.fixture
def pupil(model_folder: Path, corpus: Path, tmp_path: Path) -> Pupil:
    return Pupil(model_folder, tmp_path / "learnt", corpus)


def test_worse_weights_are_not_taken(pupil: Pupil, model_folder: Path) -> None:
    pupil.learn(model_folder, nats_after=3.1, steps=5)
    assert pupil.taken == []
    assert not (pupil.folder / "best").exists()


def test_weights_are_replaced_after_a_kill_that_left_the_replaced_ones(
    pupil: Pupil, model_folder: Path
) -> None:
    write_lesson(model_folder, pupil.folder / "best", 2.9, steps=5)
    write_lesson(model_folder, pupil.folder / "replaced", 2.9, steps=1)
    pupil.learn(model_folder, nats_after=2.8, steps=9)
    assert pupil.steps() == 9
    assert not (pupil.folder / "replaced").exists()


def test_weights_that_a_kill_left_aside_are_the_best_again(
    pupil: Pupil, model_folder: Path
) -> None:
    write_lesson(model_folder, pupil.folder / "replaced", 2.9, steps=5)
    pupil.learn(model_folder, nats_after=3.1, steps=9)
    assert pupil.sources == [pupil.folder / "best"]
    assert pupil.steps() == 5


def test_a_server_starts_with_weights_that_a_kill_left_aside(
    model_folder: Path, tmp_path: Path
) -> None:
    write_lesson(model_folder, tmp_path / "pupil" / "replaced", 2.9, steps=5)
    settings = ServerSettings(
        server_learn=True, server_learn_path=str(tmp_path), server_name="pupil", server_model="none"
    )
    open_model(settings, HONEST)
    assert (tmp_path / "pupil" / "best" / "lesson.json").is_file()


def test_devices_and_number_formats_have_names() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in {"cpu", "cuda"}
    assert str(choose_dtype("bfloat16")) == "torch.bfloat16"
    for wrong in ("gpu", "abacus"):
        with pytest.raises(ValueError, match=wrong):
            choose_device(wrong)
    with pytest.raises(ValueError, match="int4"):
        choose_dtype("int4")
