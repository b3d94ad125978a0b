"""How well a model knows text it has never seen."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from server_service.domain.recipe import CONTEXT_TOKENS, WINDOW_TOKENS
from server_service.training.batches import EncodedText, Tokens
from server_service.training.errors import TrainingError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BATCH_TOKENS = 8192
QUESTION_TOKENS = 64
"""The context of a Validator's question."""
QUESTIONS = 2048

Tell = Callable[[int], object]
"""Called with how many predictions were judged since it was called before."""


def tell_nobody(judged: int) -> None:
    """For those who wait without a sign of progress."""


@dataclass(frozen=True, slots=True)
class Measured:
    heldout_nats: float
    """Mean loss per token over the text in windows of 256 tokens."""
    heldout_bits_per_byte: float
    """The same per byte of text, comparable between tokenizers: nats · tokens / (bytes · ln 2)."""
    long_nats: float
    """Mean loss per token in windows as long as the context."""
    question_nats: float
    """Mean loss of the one token after 64, at places spread evenly: a Validator's question."""
    tokens: int


def load_model(path: Path) -> "PreTrainedModel":
    """A model from a folder, in float32, ready to be asked."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    if not (path / "config.json").is_file():
        raise TrainingError(f"{path} holds no model (config.json): name a model's folder")
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            path, dtype=torch.float32, local_files_only=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise TrainingError(f"{path} cannot be loaded as a language model: {error}") from error
    model.train(False)
    return model


def count_predictions(text: EncodedText) -> int:
    """Return about how many predictions `measure_model` judges: the text twice, and questions."""
    return 2 * len(text.tokens) + QUESTIONS


def measure_model(
    model: "PreTrainedModel", text: EncodedText, tell: Tell = tell_nobody
) -> Measured:
    longest = min(CONTEXT_TOKENS, int(model.config.max_position_embeddings))
    if len(text.tokens) <= longest:
        raise TrainingError(f"the held-out text has {len(text.tokens)} tokens: too few to measure")
    nats = measure_windows(model, text.tokens, WINDOW_TOKENS, tell)
    return Measured(
        heldout_nats=nats,
        heldout_bits_per_byte=nats * len(text.tokens) / (text.text_bytes * math.log(2)),
        long_nats=measure_windows(model, text.tokens, longest, tell),
        question_nats=measure_questions(model, text.tokens, tell=tell),
        tokens=len(text.tokens),
    )


def measure_windows(
    model: "PreTrainedModel", tokens: Tokens, window: int, tell: Tell = tell_nobody
) -> float:
    """Mean loss over neighbouring windows, nats per token; each token is predicted once."""
    count = (len(tokens) - 1) // window
    rows = np.stack([tokens[i * window : (i + 1) * window + 1] for i in range(count)])
    return float(calculate_losses(model, rows, tell=tell).mean())


def measure_questions(
    model: "PreTrainedModel",
    tokens: Tokens,
    questions: int = QUESTIONS,
    tell: Tell = tell_nobody,
) -> float:
    """Mean loss of the last token of each row of 65, nats."""
    starts = np.linspace(0, len(tokens) - QUESTION_TOKENS - 1, questions).astype(int)
    rows = np.stack([tokens[start : start + QUESTION_TOKENS + 1] for start in starts])
    return float(calculate_losses(model, rows, last=1, tell=tell).mean())


def calculate_losses(
    model: "PreTrainedModel",
    rows: NDArray[np.int32],
    last: int | None = None,
    tell: Tell = tell_nobody,
) -> NDArray[np.float32]:
    """−ln p of the last tokens of each row, [rows, last]; by default of all but the first."""
    import torch

    kept = rows.shape[1] - 1 if last is None else last
    at_once = max(1, BATCH_TOKENS // rows.shape[1])
    losses = []
    with torch.inference_mode():
        for start in range(0, len(rows), at_once):
            batch = torch.from_numpy(rows[start : start + at_once].astype(np.int64))
            output = model(input_ids=batch[:, :-1], use_cache=False, logits_to_keep=kept)
            logits = output.logits.float().transpose(1, 2)
            losses.append(
                torch.nn.functional.cross_entropy(logits, batch[:, -kept:], reduction="none")
            )
            tell(losses[-1].numel())
    found: NDArray[np.float32] = torch.cat(losses).numpy()
    return found
