"""What a small language model is made of and how long it learns: numbers only.

The measurements behind them: a Llama of about one million parameters learns fastest per CPU second
of the sizes tried (0.2 to 10 million), and Muon for the matrices beats AdamW alone by half a nat.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass

VOCABULARY = 2048
CONTEXT_TOKENS = 1024
STEP_TOKENS = 2048
"""Tokens learned from in one step, whatever the window."""
WINDOW_TOKENS = 256
LONG_WINDOW_EVERY = 8
"""Every eighth step learns from windows as long as the context, so that positions beyond the short
window are known too."""


@dataclass(frozen=True, slots=True)
class Recipe:
    name: str
    steps: int
    seed: int
    width: int = 128
    layers: int = 4
    heads: int = 4
    feed_forward: int = 352
    matrix_rate: float = 0.02
    """Muon's peak learning rate, for the matrices inside the layers."""
    other_rate: float = 5e-3
    """AdamW's peak learning rate, for the embedding and the norms."""
    warm_up_steps: int = 30
    full_rate_share: float = 0.2
    """The part of the run before the rate begins to fall."""
    last_rate_factor: float = 0.02
    clip_norm: float = 1.0


STARTERS = (
    Recipe("acorn", steps=300, seed=11, width=64, layers=2, heads=2, feed_forward=176),
    Recipe("sapling", steps=700, seed=22, width=96, layers=3, heads=3, feed_forward=264),
    Recipe("birch", steps=1500, seed=33),
    Recipe("oak", steps=3000, seed=44),
)
"""The starter set, worst to best. Each has a seed of its own, so that their mistakes differ."""


def calculate_rate_factor(recipe: Recipe, step: int) -> float:
    """The learning rate of a step (0, 1, …) as a part of its peak.

    It rises in a line over the warm-up, stays, then falls along half a cosine:
    ½(1 + cos(π(f − a)/(1 − a))) with f = step/steps and a = `full_rate_share`, never below the last
    factor.
    """
    warm_up = min(1.0, (step + 1) / recipe.warm_up_steps)
    progress = step / recipe.steps
    if progress < recipe.full_rate_share:
        return warm_up
    fallen = (progress - recipe.full_rate_share) / (1 - recipe.full_rate_share)
    return warm_up * max(recipe.last_rate_factor, 0.5 * (1 + math.cos(math.pi * fallen)))


def choose_window(step: int) -> int:
    """Tokens per window in this step; a step holds STEP_TOKENS / window of them."""
    return CONTEXT_TOKENS if step % LONG_WINDOW_EVERY == LONG_WINDOW_EVERY - 1 else WINDOW_TOKENS


def calculate_fingerprint(recipe: Recipe, tokenizer_sha256: str, train_sha256: str) -> str:
    """What names a training run: equal recipe, tokenizer and text give an equal name."""
    parts = {**asdict(recipe), "tokenizer": tokenizer_sha256, "train": train_sha256}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
