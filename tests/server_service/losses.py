"""How well an engine knows the held-out text."""

from pathlib import Path

import numpy as np

from server_service.domain.phrases import normalise
from server_service.engine import Engine
from server_service.tokenizer import load_tokenizer
from taonet.corpus import find_or_build_corpus, read_chunks

WINDOWS, WINDOW_TOKENS = 64, 256


def read_windows(corpus: Path, model: Path) -> list[list[int]]:
    """Tokens of held-out text, by this model's tokenizer."""
    find_or_build_corpus(corpus)
    encode = load_tokenizer(str(model)).encode
    texts = (encode(chunk.text)[:WINDOW_TOKENS] for chunk in read_chunks(corpus, "heldout"))
    whole = (text for text in texts if len(text) == WINDOW_TOKENS)
    return [text for text, _ in zip(whole, range(WINDOWS), strict=False)]


def measure_loss(engine: Engine, windows: list[list[int]]) -> float:
    """Mean loss over the windows, nats per token."""
    logprobs: list[float] = []
    for window in windows:
        probabilities = normalise(engine.every_logits(np.array([window[:-1]])))[0]
        logprobs += np.log(probabilities[np.arange(len(window) - 1), window[1:]]).tolist()
    return -float(np.mean(logprobs))
