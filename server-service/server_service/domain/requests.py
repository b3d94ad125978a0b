"""What may be asked: sizes are checked before anything is computed, ids before they are used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from taonet.kit.errors import Malformed, TooLarge

Tokens = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RequestLimits:
    """The most that one request may ask of this Server."""

    batch_size: int
    sequence_length: int
    """Tokens of one row; for a generation, prompt and answer together."""
    top_k: int
    new_tokens: int
    vocabulary_size: int
    answer_numbers: int
    """Numbers of one answer that tells of every position."""


def check_tokens(tensors: Mapping[str, npt.NDArray[np.generic]], limits: RequestLimits) -> Tokens:
    """The one tensor of a request: `tokens`, int64 [batch, sequence], of known ids."""
    if set(tensors) != {"tokens"}:
        raise Malformed("expected exactly one tensor, tokens")
    tokens = tensors["tokens"]
    if tokens.dtype != np.int64 or tokens.ndim != 2 or 0 in tokens.shape:
        raise Malformed("tokens: expected int64 [batch, sequence], neither of them 0")
    batch, sequence = tokens.shape
    if batch > limits.batch_size:
        raise TooLarge(f"tokens: a batch of at most {limits.batch_size} rows, got {batch}")
    if sequence > limits.sequence_length:
        raise TooLarge(f"tokens: at most {limits.sequence_length} a row, got {sequence}")
    values = np.array(tokens, dtype=np.int64)
    if values.min() < 0 or values.max() >= limits.vocabulary_size:
        raise Malformed(f"tokens: not all are in 0 … {limits.vocabulary_size - 1}")
    return values


def parse_top_k(options: Mapping[str, str], limits: RequestLimits) -> int:
    text = options.get("top_k", "")
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 8):
        raise Malformed("the safetensors metadata must give top_k, a whole number as a string")
    top_k = int(text)
    if top_k < 1:
        raise Malformed("top_k: at least 1")
    if top_k > limits.top_k:
        raise TooLarge(f"top_k: at most {limits.top_k}, got {top_k}")
    return min(top_k, limits.vocabulary_size)


def check_answer_size(numbers: int, limits: RequestLimits) -> None:
    if numbers > limits.answer_numbers:
        raise TooLarge(
            f"the answer would hold {numbers} numbers, more than {limits.answer_numbers}; "
            "send fewer rows, or a smaller top_k"
        )


def check_prompt(prompt: Sequence[int], new_tokens: int, limits: RequestLimits) -> None:
    """A generation's prompt, and room for what it asks for."""
    if not prompt:
        raise Malformed("the prompt is empty")
    if min(prompt) < 0 or max(prompt) >= limits.vocabulary_size:
        raise Malformed(f"prompt_tokens: not all are in 0 … {limits.vocabulary_size - 1}")
    if new_tokens > limits.new_tokens:
        raise TooLarge(f"max_new_tokens: at most {limits.new_tokens}")
    if len(prompt) + new_tokens > limits.sequence_length:
        raise TooLarge(
            f"prompt and answer together are {len(prompt) + new_tokens} tokens; "
            f"this Server holds {limits.sequence_length}"
        )
