"""
Which Servers hold the same model: those that answer the same canaries alike.

The distance of two answers is Hellinger's, H² = 1 − Σ√(p·q), in the quadratic mean over canaries.
With a fingerprint x = √p / √canaries, a vector of length 1, it is |x − y| / √2: a true distance.
So of thousands of Servers only those must be compared whose projections on some lines are near: a
projection brings points nearer, never farther apart. The projections of all are laid side by side
by products of matrices, block by block.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

PROBES = 256
"""Fingerprints that the lines are laid through."""
LINES = 32
BLOCK = 128
"""Fingerprints compared with all others together: so many products stay in the core's cache."""
PAIRS_PENDING = 2**17
"""Pairs looked at together; between two such looks it is known who is of one group."""
ROUNDING = 1e-5
"""By how much single precision may move H²."""

Floats = NDArray[np.floating]
Labels = NDArray[np.int64]
Pairs = tuple[Labels, Labels]


def hellinger_distances(first: Floats, second: Floats) -> NDArray[np.float64]:
    """Return the distance of each row of fingerprints to the same row of the others."""
    gaps = first.astype(np.float64) - second
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", gaps, gaps) / 2))


def find_clusters(fingerprints: Floats, distance: float) -> Labels:
    """
    Return a label for each row; rows nearer than `distance` share one, and so does a chain of them.

    The label is the lowest row of the cluster.
    """
    labels = np.arange(len(fingerprints))
    if len(fingerprints) < 2 or not fingerprints.size:
        return labels
    places = project(fingerprints)
    order = np.argsort(places[:, 0], kind="stable")
    for low, high in gather_pairs(near_on_lines(places[order], distance)):
        # One neighbour of each makes most of the rest one group, which isn't measured again.
        for some in (np.flatnonzero(np.diff(low, prepend=-1)), slice(None)):
            labels = join_pairs(labels, fingerprints, order[low[some]], order[high[some]], distance)
    return labels


def project(fingerprints: Floats) -> NDArray[np.float32]:
    """Return places [rows, lines] on the lines along which some of the rows differ most."""
    middle = fingerprints.mean(axis=0)
    probes = fingerprints[:: max(len(fingerprints) // PROBES, 1)] - middle
    _, _, directions = np.linalg.svd(probes, full_matrices=False)
    lines = directions[:LINES].T
    return np.asarray(fingerprints @ lines - middle @ lines, dtype=np.float32)


def near_on_lines(places: NDArray[np.float32], distance: float) -> Iterator[Pairs]:
    """
    Yield the pairs of rows whose places are near, the lower row first: all that can be nearer than
    `distance`. Along the first line the places only rise.
    """
    halves = (places**2).sum(axis=1, keepdims=True) / 2
    ones = np.ones_like(halves)
    # −|x − y|²/2, which is −H², as one product.
    left = np.hstack([places, -halves, ones])
    right = np.ascontiguousarray(np.hstack([places, ones, -halves]).T)
    reach = np.float32(np.sqrt(2) * distance + ROUNDING)
    ends = np.searchsorted(places[:, 0], places[:, 0] + reach, side="right")
    # The same memory for each block: fresh pages cost as much as the products.
    products = np.empty(BLOCK * len(places), dtype=np.float32)
    for start in range(0, len(places), BLOCK):
        block = slice(start, start + BLOCK)
        rows, columns = left[block], right[:, start : ends[block][-1]]
        count = len(rows) * columns.shape[1]
        np.matmul(rows, columns, out=products[:count].reshape(len(rows), -1))
        near = np.flatnonzero(products[:count] > -np.float32(distance**2 + ROUNDING))
        low, high = np.divmod(near, columns.shape[1])
        pairs = low < high
        yield start + low[pairs], start + high[pairs]


def gather_pairs(pairs: Iterator[Pairs]) -> Iterator[Pairs]:
    """Yield the same pairs, many together."""
    pending: list[Pairs] = []
    waiting = 0
    for pair in pairs:
        pending.append(pair)
        waiting += len(pair[0])
        if waiting > PAIRS_PENDING:
            yield merge_pairs(pending)
            pending, waiting = [], 0
    if pending:
        yield merge_pairs(pending)


def merge_pairs(pairs: list[Pairs]) -> Pairs:
    return np.concatenate([low for low, _ in pairs]), np.concatenate([high for _, high in pairs])


def join_pairs(
    labels: Labels, fingerprints: Floats, first: Labels, second: Labels, distance: float
) -> Labels:
    """Return the labels with the pairs joined that are truly near; those of one group already
    aren't measured."""
    apart = labels[first] != labels[second]
    first, second = first[apart], second[apart]
    near = hellinger_distances(fingerprints[first], fingerprints[second]) < distance
    return join_groups(labels, first[near], second[near])


def join_groups(labels: Labels, first: Labels, second: Labels) -> Labels:
    """Return the labels after each first and its second came into one group: the lower label."""
    while (labels[first] != labels[second]).any():
        ends = np.sort([labels[first], labels[second]], axis=0)
        labels = labels.copy()
        np.minimum.at(labels, ends[1], ends[0])
        while (labels[labels] != labels).any():
            labels = labels[labels]
    return labels
