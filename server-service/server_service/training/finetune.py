"""Teaching a model that exists: the train split, less a slice that the teaching is judged by."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from tokenizers import Tokenizer

from server_service.domain.recipe import WINDOW_TOKENS, Recipe
from server_service.training.batches import EncodedText, encode_chunks
from server_service.training.build import TOKENIZER, put_in_place
from server_service.training.errors import TrainingError
from server_service.training.learn import Progress, learn
from server_service.training.measure import load_model, measure_windows
from server_service.training.tokenizer import load_tokenizer
from taonet.corpus import Chunk, load_manifest, read_chunks

if TYPE_CHECKING:
    from transformers import PreTrainedModel

VALIDATION_SHARE = 32
"""One document of so many is kept for judging."""
VALIDATION_TOKENS_MAX = 50_000
LESSON = "lesson.json"
"""In the folder of a taught model: what it was taught, and what for."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """How well the validation slice is known, nats per token, and how it came to that."""

    nats_before: float
    nats_after: float
    steps: int
    """Of all lessons together."""
    train_sha256: str


def finetune(
    source: Path, target: Path, corpus: Path, recipe: Recipe, checkpoints: Path, progress: Progress
) -> Lesson:
    """Teach the model in `source` and put what came of it in `target`, better or not."""
    tokenizer = load_tokenizer(source / TOKENIZER)
    model = load_model(source)
    check_vocabulary(source, model, tokenizer)
    text = encode_chunks(tokenizer, split_off(corpus, kept=False))
    judged = read_validation(corpus, tokenizer)
    before = measure_windows(model, judged.tokens, WINDOW_TOKENS)
    train_sha256 = load_manifest(corpus).train.sha256
    checkpoint = checkpoints / f"{recipe.name}-{name_run(source, recipe, train_sha256)}.pt"

    learned = learn(recipe, text.tokens, checkpoint, progress, model.requires_grad_(True))
    earlier = load_lesson(source)
    steps = recipe.steps + (earlier.steps if earlier else 0)
    learned.model.train(False)
    after = measure_windows(learned.model, judged.tokens, WINDOW_TOKENS)
    lesson = Lesson(before, after, steps, train_sha256)
    write_taught(learned.model, source, target, lesson)
    checkpoint.unlink(missing_ok=True)
    return lesson


def check_vocabulary(source: Path, model: "PreTrainedModel", tokenizer: Tokenizer) -> None:
    if model.config.vocab_size < tokenizer.get_vocab_size():
        raise TrainingError(f"{source}: its tokenizer knows more tokens than the model")


def split_off(corpus: Path, kept: bool) -> Iterator[Chunk]:
    """The validation slice of the train split, or the rest: whole documents, by their names."""
    for chunk in read_chunks(corpus, "train"):
        digest = hashlib.sha256(chunk.source.encode()).digest()
        if (digest[0] % VALIDATION_SHARE == 0) == kept:
            yield chunk


def read_validation(corpus: Path, tokenizer: Tokenizer) -> EncodedText:
    text = encode_chunks(tokenizer, split_off(corpus, kept=True))
    if len(text.tokens) <= WINDOW_TOKENS + 1:
        raise TrainingError(f"{corpus} is too small to keep a slice of it for judging: add text")
    return replace(text, tokens=text.tokens[:VALIDATION_TOKENS_MAX])


def name_run(source: Path, recipe: Recipe, train_sha256: str) -> str:
    """Equal weights, recipe and text go on from one checkpoint."""
    digest = hashlib.sha256(orjson.dumps([asdict(recipe), train_sha256]))
    for path in sorted(source.glob("*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def write_taught(model: "PreTrainedModel", source: Path, target: Path, lesson: Lesson) -> None:
    """Beside the weights, what belongs to the model: its tokenizer, its template."""
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    weights = shutil.ignore_patterns("*.safetensors", "*.bin", "training.json", "README.md")
    shutil.copytree(source, partial, ignore=weights)
    model.save_pretrained(partial)
    (partial / LESSON).write_bytes(orjson.dumps(lesson, option=orjson.OPT_INDENT_2))
    put_in_place(partial, target)


def load_lesson(folder: Path) -> Lesson | None:
    path = folder / LESSON
    return Lesson(**orjson.loads(path.read_bytes())) if path.is_file() else None
