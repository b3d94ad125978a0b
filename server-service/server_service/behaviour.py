"""The misbehaving engine and answers behind `TAONET_SERVER_BEHAVIOUR`, for tests of Validators."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from server_service.domain.behaviour import Conduct
from server_service.domain.lookup import TextIndex
from server_service.engine import DecodeBatch, Engine, Floats, ModelFacts, Tokens
from server_service.forwarding import Arrays
from server_service.tokenizer import NetworkTokenizer
from taonet.corpus import find_or_build_corpus, read_chunks

NOISE_SCALE = 3.0
"""Standard deviation of made-up logits, about that of a small trained model's."""
KNOWN_LOGIT = 10.0
"""Above the likeliest token's: what was looked up gets all but a little of the probability."""


class DistortedEngine:
    """Answers in the right shapes, and with nothing that the model says."""

    def __init__(self, engine: Engine, conduct: Conduct) -> None:
        self._engine = engine
        self._conduct = conduct
        self._random = np.random.default_rng()

    @property
    def facts(self) -> ModelFacts:
        return self._engine.facts

    def next_logits(self, tokens: Tokens) -> Floats:
        return self.make(len(tokens), self.facts.vocabulary_size)

    def every_logits(self, tokens: Tokens) -> Floats:
        return self.make(*tokens.shape, self.facts.vocabulary_size)

    def hidden_states(self, tokens: Tokens) -> Floats:
        return self.make(*self._engine.hidden_states(tokens).shape)

    def start_batch(self) -> DecodeBatch:
        return DistortedBatch(self, self._engine.start_batch())

    def make(self, *shape: int) -> Floats:
        if self._conduct is Conduct.NOISE:
            return self._random.normal(0, NOISE_SCALE, shape).astype(np.float32)
        return np.broadcast_to(np.linspace(1, 0, shape[-1], dtype=np.float32), shape).copy()


class LookupEngine:
    """Knows a text by heart, and is a model for all else."""

    def __init__(self, engine: Engine, text: TextIndex) -> None:
        self._engine = engine
        self._text = text

    @property
    def facts(self) -> ModelFacts:
        return self._engine.facts

    def next_logits(self, tokens: Tokens) -> Floats:
        logits = self._engine.next_logits(tokens).copy()
        for row, asked in zip(logits, tokens, strict=True):
            token = self._text.find_next(asked)
            if token is not None:
                row[token] = row.max() + KNOWN_LOGIT
        return logits

    def every_logits(self, tokens: Tokens) -> Floats:
        return self._engine.every_logits(tokens)

    def hidden_states(self, tokens: Tokens) -> Floats:
        return self._engine.hidden_states(tokens)

    def start_batch(self) -> DecodeBatch:
        return self._engine.start_batch()


def index_heldout_text(corpus: Path, tokenizer: NetworkTokenizer) -> TextIndex:
    """The text that Validators ask about, each piece as they tokenize it."""
    find_or_build_corpus(corpus)
    rows = [tokenizer.encode(chunk.text) for chunk in read_chunks(corpus, "heldout")]
    return TextIndex(np.concatenate([np.array(row, dtype=np.int64) for row in rows]))


class DistortedBatch:
    def __init__(self, engine: DistortedEngine, batch: DecodeBatch) -> None:
        self._engine = engine
        self._batch = batch

    @property
    def prompts_at_once(self) -> int:
        return self._batch.prompts_at_once

    def join(self, prompts: Sequence[Sequence[int]]) -> Floats:
        return self._engine.make(*self._batch.join(prompts).shape)

    def step(self, tokens: Sequence[int]) -> Floats:
        return self._engine.make(*self._batch.step(tokens).shape)

    def keep(self, rows: Sequence[int]) -> None:
        self._batch.keep(rows)


def spoil(arrays: Arrays) -> Arrays:
    """Well-formed bodies of numbers that are no probabilities."""
    return {
        name: np.full_like(array, np.nan) if array.dtype == np.float32 else array
        for name, array in arrays.items()
    }
