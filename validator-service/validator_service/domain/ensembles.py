"""Several models as one: the mean of what they believe comes next."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def weigh_voice(incentive: float) -> float:
    """
    Return incentive², a member's weight in the mean.

    The chain caps incentives, so a model that is far better has not far more of it; its square
    comes closer to what the mean should give it (measured: docs/benchmarks/ensemble.md).
    """
    return incentive * incentive


def mix(beliefs: Sequence[Floats], weights: Sequence[float]) -> Floats:
    """Return Σ wᵢ pᵢ / Σ wᵢ, [V]; where all weights are 0 each voice is alike."""
    if sum(weights) <= 0:
        weights = [1.0] * len(weights)
    mean: Floats = np.average(np.stack(beliefs), axis=0, weights=np.asarray(weights))
    return mean
