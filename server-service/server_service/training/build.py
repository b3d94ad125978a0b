"""Building a model: text to tokens, tokens to weights, weights to a folder with a card."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from server_service.domain.recipe import Recipe, calculate_fingerprint
from server_service.training.batches import encode_chunks
from server_service.training.card import render_card, write_overview
from server_service.training.learn import Learned, Progress, create_model, learn
from server_service.training.measure import QUESTIONS, load_model, measure_model
from server_service.training.record import (
    Record,
    describe_data,
    describe_licence,
    load_record,
    save_record,
)
from server_service.training.tokenizer import (
    END_OF_TEXT,
    END_OF_TEXT_ID,
    calculate_tokenizer_hash,
    load_tokenizer,
    train_tokenizer,
    write_tokenizer,
)
from taonet.corpus import load_manifest, read_chunks

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Places:
    models: Path
    """Each model gets a folder here; `tokenizer.json` beside them is the network's."""
    corpus: Path
    checkpoints: Path


def build_model(recipe: Recipe, places: Places, progress: Progress) -> Record:
    """Builds the model, or goes on building it, or tells what is already there."""
    tokenizer_path = prepare_tokenizer(places)
    tokenizer_sha256 = calculate_tokenizer_hash(tokenizer_path)
    train_sha256 = load_manifest(places.corpus).train.sha256
    fingerprint = calculate_fingerprint(recipe, tokenizer_sha256, train_sha256)
    folder = places.models / recipe.name
    if (record := load_record(folder)) is not None and record.fingerprint == fingerprint:
        return record

    tokenizer = load_tokenizer(tokenizer_path)
    text = encode_chunks(tokenizer, read_chunks(places.corpus, "train"))
    checkpoint = places.checkpoints / f"{recipe.name}-{fingerprint[:12]}.pt"
    end_of_text = tokenizer.token_to_id(END_OF_TEXT) or END_OF_TEXT_ID
    model = create_model(recipe, tokenizer.get_vocab_size(), end_of_text)
    learned = learn(recipe, text.tokens, checkpoint, progress, model)

    partial = places.models / f".{recipe.name}.partial"
    write_model(partial, learned.model, tokenizer_path.read_bytes())
    record = describe_model(partial, recipe, learned, places, tokenizer, fingerprint)
    save_record(partial, record)
    (partial / "README.md").write_text(render_card(record))
    put_in_place(partial, folder)
    checkpoint.unlink(missing_ok=True)
    write_overview(places.models, QUESTIONS)
    return record


def prepare_tokenizer(places: Places) -> Path:
    """The tokenizer that is there; where there is none, a new one from the train split."""
    path = places.models / TOKENIZER
    if not path.exists():
        tokenizer = train_tokenizer(chunk.text for chunk in read_chunks(places.corpus, "train"))
        places.models.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(path))
    return path


def write_model(folder: Path, model: "PreTrainedModel", tokenizer_bytes: bytes) -> None:
    """Weights as float16, half the bytes; the config says float32, and so they are computed with.

    The output matrix is the embedding again, and is not stored twice.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    assert model.config.tie_word_embeddings
    halves = {
        name: tensor.half()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"
    }
    model.save_pretrained(folder, state_dict=halves)
    write_tokenizer(folder, tokenizer_bytes)


def describe_model(
    folder: Path,
    recipe: Recipe,
    learned: Learned,
    places: Places,
    tokenizer: Tokenizer,
    fingerprint: str,
) -> Record:
    """Measured on what was written, not on what was in memory: rounding may cost something."""
    manifest = load_manifest(places.corpus)
    heldout = encode_chunks(tokenizer, read_chunks(places.corpus, "heldout"))
    return Record(
        fingerprint=fingerprint,
        recipe=recipe,
        parameters=sum(parameter.numel() for parameter in learned.model.parameters()),
        tokenizer_sha256=calculate_tokenizer_hash(folder / TOKENIZER),
        train_sha256=manifest.train.sha256,
        data=describe_data(manifest),
        licence=describe_licence(manifest),
        seconds=round(learned.seconds),
        measured=measure_model(load_model(folder), heldout),
    )


def put_in_place(partial: Path, folder: Path) -> None:
    """Readable by every user, whatever the libraries chose, then renamed into its place."""
    for path in partial.iterdir():
        path.chmod(0o644)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
