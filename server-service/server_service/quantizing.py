"""Whether a model may be computed with in int8: if it knows the held-out text as well as before."""

import json
from pathlib import Path

import ctranslate2
import orjson

from server_service.tokenizer import load_tokenizer
from taonet.corpus import find_or_build_corpus, read_chunks
from taonet.kit.logging import get_logger

LOSS_MOVES_MAX = 0.02
"""Nats per token that int8 may cost."""
WINDOWS = 64
WINDOW_TOKENS = 256
RECORD = "losses.json"
"""Beside the converted weights, so that each conversion is measured once."""

log = get_logger(__name__)


def choose_compute_type(converted: Path, source: Path, corpus: Path) -> str:
    record = converted / RECORD
    if not record.exists():
        losses = measure_losses(converted, source, corpus)
        beside = record.with_suffix(".partial")
        beside.write_bytes(orjson.dumps(losses))
        beside.replace(record)
    losses = orjson.loads(record.read_bytes())
    moved = losses["int8"] - losses["float32"]
    log.info("int8 was measured", loss_nats=losses["int8"], moved_nats=moved)
    return "int8" if moved <= LOSS_MOVES_MAX else "float32"


def measure_losses(converted: Path, source: Path, corpus: Path) -> dict[str, float]:
    """Mean loss over windows of the held-out split, nats per token, in each number format."""
    find_or_build_corpus(corpus)
    encode = load_tokenizer(str(source)).encode
    names = json.loads((converted / "vocabulary.json").read_bytes())
    windows: list[list[str]] = []
    for chunk in read_chunks(corpus, "heldout"):
        windows.append([names[token] for token in encode(chunk.text)[:WINDOW_TOKENS]])
        if len(windows) == WINDOWS:
            break
    return {kind: measure_loss(converted, kind, windows) for kind in ("float32", "int8")}


def measure_loss(converted: Path, compute_type: str, windows: list[list[str]]) -> float:
    generator = ctranslate2.Generator(str(converted), compute_type=compute_type)
    scored = generator.score_batch([window for window in windows if len(window) > 1])
    logprobs = [logprob for result in scored for logprob in result.log_probs]
    return float(-sum(logprobs) / len(logprobs))
