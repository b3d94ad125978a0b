"""The models that ship: small, loadable, able to speak, and as good as their cards say."""

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from server_service.domain.recipe import STARTERS, VOCABULARY
from server_service.training.batches import encode_chunks
from server_service.training.measure import load_model, measure_questions, measure_windows
from server_service.training.record import Record, load_record
from taonet.corpus import Source, build_corpus, python_library, read_chunks

MODELS = Path(__file__).parents[2] / "server-service" / "models"
NAMES = [recipe.name for recipe in STARTERS]
SIZE_LIMIT = 16_000_000
QUESTIONS = 256


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {name: load_model(MODELS / name) for name in NAMES}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One held-out module of the library: some 6,000 tokens that no model has learned from."""
    library = python_library()
    patterns = ("copy.py", "smtplib.py", "cmd.py")
    folder = tmp_path_factory.mktemp("corpus")
    build_corpus(folder, [Source("python", "test", "PSF-2.0", library.root, patterns)])
    tokenizer = Tokenizer.from_file(str(MODELS / "tokenizer.json"))
    return encode_chunks(tokenizer, read_chunks(folder, "heldout")).tokens[:6000]


def record_of(name: str) -> Record:
    record = load_record(MODELS / name)
    assert record is not None
    return record


def test_they_fit_the_repository() -> None:
    sizes = {path: path.stat().st_size for path in MODELS.rglob("*") if path.is_file()}

    assert sum(sizes.values()) <= SIZE_LIMIT


def test_they_share_one_tokenizer() -> None:
    paths = [MODELS / "tokenizer.json", *(MODELS / name / "tokenizer.json" for name in NAMES)]
    hashes = {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}

    assert hashes == {record_of(NAMES[0]).tokenizer_sha256}


def test_they_are_what_the_recipes_say() -> None:
    assert [record_of(name).recipe for name in NAMES] == list(STARTERS)


def test_the_cards_tell_distant_losses_in_one_order() -> None:
    measured = [record_of(name).measured for name in NAMES]
    heldout = [one.heldout_nats for one in measured]
    questions = [one.question_nats for one in measured]

    assert all(worse - better > 0.2 for worse, better in pairwise(heldout))
    assert all(worse - better > 0.2 for worse, better in pairwise(questions))


@pytest.mark.parametrize("name", NAMES)
def test_every_card_has_its_numbers(name: str) -> None:
    card = (MODELS / name / "README.md").read_text()
    row = next(
        line for line in (MODELS / "README.md").read_text().splitlines() if f"[{name}]" in line
    )

    measured = record_of(name).measured
    for number in (measured.heldout_nats, measured.heldout_bits_per_byte, measured.question_nats):
        assert f"{number:.3f}" in card
        assert f"{number:.3f}" in row


def test_the_order_is_seen_on_a_small_sample(models: dict[str, Any], tokens: Any) -> None:
    windows = [measure_windows(models[name], tokens, 256) for name in NAMES]
    questions = [measure_questions(models[name], tokens, QUESTIONS) for name in NAMES]

    assert windows == sorted(windows, reverse=True)
    assert questions == sorted(questions, reverse=True)


@pytest.mark.parametrize("name", NAMES)
def test_they_answer_a_chat(models: dict[str, Any], name: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODELS / name)
    chat = [{"role": "user", "content": "What does\nos.path do?"}]
    prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    question = tokenizer(prompt, return_tensors="pt")
    torch.manual_seed(1)
    answer = models[name].generate(**question, max_new_tokens=16)

    assert prompt == '# user: What does\n# os.path do?\n\ndef answer():\n    """'
    said = tokenizer.decode(answer[0][question["input_ids"].shape[1] :], skip_special_tokens=True)
    assert str(said).strip()


@pytest.mark.parametrize("name", NAMES)
def test_they_are_finite_over_their_whole_context(models: dict[str, Any], name: str) -> None:
    model = models[name]
    row = torch.arange(model.config.max_position_embeddings) % VOCABULARY
    with torch.inference_mode():
        logits = model(input_ids=row[None]).logits

    assert logits.shape == (1, 1024, VOCABULARY)
    assert bool(torch.isfinite(logits).all())
