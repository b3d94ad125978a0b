"""Choosing the next token from a model's logits, as a function of one random number."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

TEMPERATURE_MIN = 1e-4
"""Below this only the likeliest token is left in any case, and dividing by it could overflow."""


@dataclass(frozen=True)
class Sampling:
    temperature: float
    """Divides the logits; 0, and what is next to it, takes the likeliest token."""
    top_p: float
    """Keep the fewest likeliest tokens that hold this much probability."""
    top_k: int
    """Keep so many of the likeliest tokens; 0 keeps all."""


@dataclass(frozen=True)
class Choice:
    token: int
    logprob: float
    """ln p of the model itself, before steering, temperature, top_p and top_k."""
    top: tuple[tuple[int, float], ...]
    """The likeliest tokens with their ln p, the likeliest first."""


def choose_token(
    logits: Floats, sampling: Sampling, draw: float, top: int = 0, steered: Floats | None = None
) -> Choice:
    """
    One token of a [V] row, by a `draw` from [0, 1); `top` of the likeliest are told beside.

    It is drawn by the `steered` logits where there are such, and told by the model's own.
    """
    logprobs = log_softmax(logits)
    likeliest = np.argsort(-logprobs, kind="stable")[:top] if top else np.empty(0, np.int64)
    drawn = logprobs if steered is None or steered is logits else log_softmax(steered)
    if sampling.temperature < TEMPERATURE_MIN:
        token = int(np.argmax(drawn))
    else:
        token = draw_token(drawn, sampling, draw)
    beside = tuple((int(index), float(logprobs[index])) for index in likeliest)
    return Choice(token, float(logprobs[token]), beside)


def draw_token(logprobs: Floats, sampling: Sampling, draw: float) -> int:
    """The token where the running sum of the kept, rescaled probabilities passes the draw."""
    order = np.argsort(-logprobs, kind="stable")
    if sampling.top_k:
        order = order[: sampling.top_k]
    scaled = np.exp(log_softmax(logprobs[order] / sampling.temperature))
    running = np.cumsum(scaled)
    kept = int(np.searchsorted(running, sampling.top_p * running[-1])) + 1
    kept = min(kept, len(order))
    place = int(np.searchsorted(running[:kept], draw * running[kept - 1], side="right"))
    return int(order[min(place, kept - 1)])


def log_softmax(values: Floats) -> Floats:
    """x − max x − ln Σ e^(x − max x), in float64."""
    shifted = values.astype(np.float64) - float(values.max())
    result: Floats = shifted - np.log(np.exp(shifted).sum())
    return result
