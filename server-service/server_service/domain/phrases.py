"""From a model's probabilities to the phrases of an answer."""

import numpy as np
import numpy.typing as npt

from server_service.domain.answers import NextPhrases, TokenProbabilities

Floats = npt.NDArray[np.float32]


def build_next_phrases(probabilities: Floats, top_k: int) -> NextPhrases:
    """
    The k likeliest tokens of each row, [batch, V] → phrases of one token each.

    floor = (1 − Σp) / (V − k), so that Σp + (V − k)·floor = 1: what the phrases leave over is
    spread evenly over the other tokens (0 where k = V).
    """
    vocabulary_size = probabilities.shape[1]
    ids, chosen = pick_likeliest(probabilities, top_k)
    left = np.maximum(1 - chosen.sum(axis=1, dtype=np.float64), 0)
    floor = (left / max(vocabulary_size - ids.shape[1], 1)).astype(np.float32)
    if ids.shape[1] == vocabulary_size:
        floor[:] = 0
    return NextPhrases(ids[:, :, None], chosen, floor)


def build_token_probabilities(probabilities: Floats, top_k: int) -> TokenProbabilities:
    """The k likeliest tokens after every position, [batch, sequence, V] → [batch, sequence, k]."""
    return TokenProbabilities(*pick_likeliest(probabilities, top_k))


def pick_likeliest(probabilities: Floats, top_k: int) -> tuple[npt.NDArray[np.int32], Floats]:
    """Ids and probabilities of the k largest of the last axis, the largest first."""
    size = probabilities.shape[-1]
    count = min(top_k, size)
    # Sorting only the chosen k is many times faster than sorting a whole vocabulary.
    some = np.argpartition(probabilities, size - count, axis=-1)[..., size - count :]
    ids = np.sort(some, axis=-1)
    values = np.take_along_axis(probabilities, ids, axis=-1)
    order = np.argsort(-values, axis=-1, kind="stable")
    chosen = np.take_along_axis(values, order, axis=-1)
    return np.take_along_axis(ids, order, axis=-1).astype(np.int32), chosen.astype(np.float32)


def normalise(logits: Floats) -> Floats:
    """softmax over the last axis: e^(x − max x) / Σ e^(x − max x)."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    result: Floats = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return result
