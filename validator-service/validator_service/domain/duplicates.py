"""
Which Servers hold the same model: those that answer the same canaries alike.

The distance of two answers is Hellinger's, H² = 1 − Σ√(p·q), in the quadratic mean over canaries.
With a fingerprint x = √p / √canaries, a vector of length 1, it is |x − y| / √2: a true distance.
So of thousands of Servers only those must be compared whose projections on a line are near: a
projection brings points nearer, never farther apart.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

PROBES = 32
"""Fingerprints that the lines are laid through."""
LINES = 6
PAIRS_PENDING = 4096
"""Pairs looked at together; between two such looks it is known who is of one group."""

Floats = NDArray[np.floating]
Labels = NDArray[np.int64]


def make_fingerprints(distributions: Floats) -> NDArray[np.float32]:
    """Return [servers, canaries · vocabulary] of distributions [servers, canaries, vocabulary]."""
    servers, canaries, _ = distributions.shape
    roots = np.sqrt(distributions / max(canaries, 1), dtype=np.float32)
    return np.asarray(roots.reshape(servers, -1))


def hellinger_distances(first: Floats, second: Floats) -> NDArray[np.float64]:
    """Return the distance of each row of fingerprints to the same row of the others."""
    gaps = first.astype(np.float64) - second
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", gaps, gaps) / 2))


def find_clusters(fingerprints: Floats, distance: float) -> Labels:
    """
    Return a label for each row; rows nearer than `distance` share one, and so does a chain of them.

    The label is the lowest row of the cluster.
    """
    count = len(fingerprints)
    groups = Groups(count)
    if count < 2 or not fingerprints.size:
        return groups.labels()
    places = fingerprints @ lay_lines(fingerprints)
    order = np.argsort(places[:, 0], kind="stable")
    # Single precision may move a projection by some 1e-7.
    for low, high in near_on_lines(places[order].T, np.sqrt(2) * distance + 1e-6):
        join_pairs(groups, fingerprints, order[low], order[high], distance)
    return groups.labels()


def near_on_lines(places: Floats, reach: float) -> Iterator[tuple[Labels, Labels]]:
    """Yield lists of pairs within `reach` on every line; the first line's places only rise."""
    places = np.ascontiguousarray(places)
    pending: list[tuple[Labels, Labels]] = []
    waiting = 0
    first, second, others = places[0], places[1], places[2:]
    for step in range(1, places.shape[1]):
        near = first[step:] - first[:-step] < reach
        if not near.any():
            break
        near &= np.abs(second[step:] - second[:-step]) < reach
        low = np.flatnonzero(near)
        low = low[(np.abs(others[:, low + step] - others[:, low]) < reach).all(axis=0)]
        pending.append((low, low + step))
        waiting += len(low)
        if waiting > PAIRS_PENDING:
            yield merge_pairs(pending)
            pending, waiting = [], 0
    if pending:
        yield merge_pairs(pending)


def merge_pairs(pairs: list[tuple[Labels, Labels]]) -> tuple[Labels, Labels]:
    return np.concatenate([low for low, _ in pairs]), np.concatenate([high for _, high in pairs])


def lay_lines(fingerprints: Floats) -> Floats:
    """Return unit vectors along which the fingerprints differ most, judged by a few of them."""
    probes = fingerprints[:: max(len(fingerprints) // PROBES, 1)]
    _, _, directions = np.linalg.svd(probes - probes.mean(axis=0), full_matrices=False)
    return np.asarray(directions[:LINES].T)


def join_pairs(
    groups: "Groups", fingerprints: Floats, first: Labels, second: Labels, distance: float
) -> None:
    """Join the pairs that are truly near; those of one group already aren't measured."""
    apart = groups.apart(first, second)
    first, second = first[apart], second[apart]
    near = hellinger_distances(fingerprints[first], fingerprints[second]) < distance
    for low, high in zip(first[near].tolist(), second[near].tolist(), strict=True):
        groups.join(low, high)


class Groups:
    """A partition of rows that only grows coarser."""

    def __init__(self, count: int) -> None:
        self._label = np.arange(count)

    def apart(self, first: Labels, second: Labels) -> NDArray[np.bool_]:
        return np.asarray(self._label[first] != self._label[second])

    def join(self, first: int, second: int) -> None:
        low, high = sorted((self._label[first], self._label[second]))
        if low != high:
            self._label[self._label == high] = low

    def labels(self) -> Labels:
        return self._label
