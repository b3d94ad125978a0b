"""What moves a model's logits before a token is drawn: penalties for repetition, and a bias."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Steering:
    """A caller's wishes; the defaults change nothing."""

    frequency_penalty: float = 0.0
    """Taken from a token's logit for each time that it was written."""
    presence_penalty: float = 0.0
    """Taken once from each token that was written at all."""
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    """Added to these tokens' logits."""

    @property
    def active(self) -> bool:
        return bool(self.frequency_penalty or self.presence_penalty or self.logit_bias)


def steer(logits: Floats, steering: Steering, written: Counter[int]) -> Floats:
    """
    Return logit − written · frequency − [written > 0] · presence + bias for every token, [V].

    This is the formula of OpenAI's API; `written` counts the answer's tokens, not the prompt's.
    """
    if not steering.active:
        return logits
    steered = logits.copy()
    if written and (steering.frequency_penalty or steering.presence_penalty):
        tokens = np.fromiter(written.keys(), np.int64)
        times = np.fromiter(written.values(), np.float32)
        steered[tokens] -= times * steering.frequency_penalty + steering.presence_penalty
    for token, bias in steering.logit_bias.items():
        if token < len(steered):
            steered[token] += bias
    return steered
