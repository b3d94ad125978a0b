"""Text as numbers: one long row of tokens, and the windows that a step learns from."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from server_service.domain.recipe import STEP_TOKENS
from server_service.training.errors import TrainingError
from server_service.training.tokenizer import END_OF_TEXT
from taonet.corpus import Chunk

Tokens = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class EncodedText:
    tokens: Tokens
    text_bytes: int


def encode_chunks(tokenizer: Tokenizer, chunks: Iterable[Chunk]) -> EncodedText:
    """All chunks in order, an end-of-text token after each document if the tokenizer has one."""
    end_of_text = tokenizer.token_to_id(END_OF_TEXT)
    row: list[int] = []
    text_bytes = 0
    for _, document in groupby(chunks, key=lambda chunk: chunk.source):
        texts = [chunk.text for chunk in document]
        for encoding in tokenizer.encode_batch(texts, add_special_tokens=False):
            row.extend(encoding.ids)
        if end_of_text is not None:
            row.append(end_of_text)
        text_bytes += sum(len(text.encode()) for text in texts)
    return EncodedText(np.array(row, dtype=np.int32), text_bytes)


def draw_windows(tokens: Tokens, window: int, seed: int, step: int) -> NDArray[np.int64]:
    """STEP_TOKENS / window rows of window + 1 tokens, from places given by seed and step alone.

    So there is no generator's state to keep, and a resumed run sees the same windows.
    """
    if len(tokens) <= window + 1:
        raise TrainingError(f"the corpus has {len(tokens)} tokens, a window {window + 1}: add text")
    places = np.random.default_rng([seed, step]).integers(
        0, len(tokens) - window - 1, size=STEP_TOKENS // window
    )
    return np.stack([tokens[place : place + window + 1] for place in places]).astype(np.int64)
