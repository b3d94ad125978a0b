"""Teaching a model that exists, and a Server that does so while it serves."""

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.server_service.serving import RunningServer, Surroundings, wait_until

from server_service.client import GenerateEnd, GenerateRequest, ServerClient
from server_service.domain.recipe import Recipe
from server_service.learning import Learner
from server_service.pretrained import choose_device, choose_dtype
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


def test_worse_weights_are_not_taken(
    model_folder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Path] = []
    learner = Learner(model_folder, tmp_path / "learnt", corpus, STEPS, taken.append)
    trial = tmp_path / "learnt" / "trial"
    shutil.copytree(model_folder, trial)
    (trial / "lesson.json").write_text(
        '{"nats_before": 3.0, "nats_after": 3.1, "steps": 5, "train_sha256": ""}'
    )
    monkeypatch.setattr(learner, "_learn", lambda source, seed: None)
    learner.turn()
    assert taken == []
    assert not (tmp_path / "learnt" / "best").exists()


def test_devices_and_number_formats_have_names() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in {"cpu", "cuda"}
    assert str(choose_dtype("bfloat16")) == "torch.bfloat16"
    for wrong in ("gpu", "abacus"):
        with pytest.raises(ValueError, match=wrong):
            choose_device(wrong)
    with pytest.raises(ValueError, match="int4"):
        choose_dtype("int4")
