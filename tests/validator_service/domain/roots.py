"""Fingerprints of distributions, written as the definition has them."""

import numpy as np


def make_fingerprints(distributions: np.ndarray) -> np.ndarray:
    """Return √(p / canaries) as [servers, canaries · vocabulary], given [servers, canaries, V]."""
    servers, canaries, _ = distributions.shape
    roots = np.sqrt(distributions / canaries, dtype=np.float32)
    return np.asarray(roots.reshape(servers, -1))
