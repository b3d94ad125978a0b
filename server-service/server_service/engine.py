"""What every engine offers: computing with one model.

An engine is used from one thread, the batcher's. It takes and gives NumPy arrays, so an engine
on another library can stand in the place of the one on torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ModelFacts:
    name: str
    parameters: int
    vocabulary_size: int
    context_length: int
    width: int
    """Numbers of one hidden state."""
    end_tokens: frozenset[int]
    """After one of these the model's text is over."""


class DecodeBatch(Protocol):
    """Rows that go on token by token together, each with its own past."""

    @property
    def prompts_at_once(self) -> int:
        """Prompts that are read together about as fast as one."""

    def join(self, prompts: Sequence[Sequence[int]]) -> Floats:
        """Append a row for each prompt; returns what may follow it, [prompts, V]."""

    def step(self, tokens: Sequence[int]) -> Floats:
        """Add one token to each row; returns what may follow, [rows, V]."""

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all rows but these."""


class Engine(Protocol):
    @property
    def facts(self) -> ModelFacts: ...

    def next_logits(self, tokens: Tokens) -> Floats:
        """[batch, sequence] → what may follow each row, [batch, V]."""

    def every_logits(self, tokens: Tokens) -> Floats:
        """[batch, sequence] → what may follow every position, [batch, sequence, V]."""

    def hidden_states(self, tokens: Tokens) -> Floats:
        """[batch, sequence] → [batch, sequence, width]."""

    def start_batch(self) -> DecodeBatch: ...
