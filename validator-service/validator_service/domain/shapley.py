"""
What each Server adds to the ensemble of all: Shapley values, an alternative to the scaling law.

The worth of a set of Servers is how many nats the mean of their answers is better than a guess,
v(S) = ln V − L(S) and v(∅) = 0. It is linear in the loss, so the mean over rounds is unbiased from
batches of any size. A Server's value is what it adds, averaged over all orders of arrival.
"""

from math import factorial

import numpy as np
from numpy.typing import NDArray

from validator_service.domain.prompts import RoundSeed, draw_order

EXACT_MAX = 12
"""Servers up to which all 2^n sets are valued; above it, sampled orders."""
ORDERS = 256
"""Orders of arrival that are tried; each is also run backwards, which cancels much of the noise."""
TOGETHER = 16
"""Orders that are turns of one, and looked at in one pass."""

Floats = NDArray[np.float64]


def shapley_values(losses: Floats, guess: float, seed: RoundSeed) -> Floats:
    """
    Return the value of each Server in nats; they add up to the worth of the ensemble of all.

    `losses` is [servers, canaries] in nats, `guess` the loss of a guess. Only the sampled values,
    of more than EXACT_MAX Servers, depend on the seed.
    """
    if len(losses) <= EXACT_MAX:
        return exact_values(losses, guess)
    return sampled_values(losses, guess, seed)


def exact_values(losses: Floats, guess: float) -> Floats:
    """φ_i = Σ_S |S|!(n−|S|−1)!/n! · (v(S ∪ i) − v(S)), over all sets S without i."""
    count = len(losses)
    sets = np.arange(2**count)
    members = (sets[:, None] >> np.arange(count)) & 1
    sizes = members.sum(axis=1)
    worth = ensemble_worth(members.astype(np.float64) @ np.exp(-losses), sizes, guess)
    weights = np.array(
        [factorial(size) * factorial(count - size - 1) / factorial(count) for size in range(count)]
    )
    values = np.empty(count)
    for server in range(count):
        without = sets[members[:, server] == 0]
        added = worth[without | 1 << server] - worth[without]
        values[server] = weights[sizes[without]] @ added
    return values


def sampled_values(losses: Floats, guess: float, seed: RoundSeed) -> Floats:
    """The same, estimated over random orders of arrival and their reverses."""
    count, canaries = losses.shape
    probabilities = np.exp(-losses)
    sizes = np.tile(np.arange(1, count + 1), TOGETHER)
    values = np.zeros(count)
    # Each drawn order is turned like a wheel, so that everybody comes early and late: the first to
    # arrive adds far more than all others, and luck would else decide who that is.
    turns = np.arange(TOGETHER) * count // TOGETHER
    places = (np.arange(count) + turns[:, None]) % count
    for number in range(ORDERS // TOGETHER):
        orders = draw_order(seed, f"arrival:{number}", count)[places]
        for arrivals in (orders, orders[:, ::-1]):
            sums = np.cumsum(probabilities[arrivals], axis=1).reshape(-1, canaries)
            worth = ensemble_worth(sums, sizes, guess).reshape(TOGETHER, count)
            added = np.diff(worth, prepend=0.0, axis=1)
            values += np.bincount(arrivals.ravel(), added.ravel(), minlength=count)
    return values / (2 * ORDERS)


def ensemble_worth(sums: Floats, sizes: NDArray[np.int64], guess: float) -> Floats:
    """v of each set, given the sums of its members' probabilities [sets, canaries]."""
    means = sums / np.maximum(sizes, 1)[:, None]
    losses = -np.log(np.where(sizes[:, None] > 0, means, 1.0)).mean(axis=1)
    return np.where(sizes > 0, guess - losses, 0.0)
