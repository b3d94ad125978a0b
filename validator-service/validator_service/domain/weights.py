"""From scores to the weights that a Validator sets on chain; after BT v3.4.3 `weight_utils`."""

import numpy as np
from numpy.typing import NDArray

U32_MAXIMUM = 2**32 - 1
"""The whole, on chain."""
MINIMUM_OF_MEAN = 1e-3
"""Whoever would get less than this part of the mean is given nothing, so that the silent come to 0
in the end."""
ROUNDING = 2**12
"""The most that rounding down can have left over: one for each of 4096 uids."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def weights_from_scores(
    uids: Integers, scores: Floats, limit: int, own_uid: int
) -> tuple[Integers, Integers]:
    """
    Return uids and their u32 weights: zeros dropped, none above the limit, 2^32 − 1 in all.

    The sum is exact because the chain scales what it is given, and would lift a capped weight above
    the limit. What too few Servers may not have under it stays with the Validator itself, where
    the chain counts it for nothing.
    """
    cap = limit / U32_MAXIMUM
    kept = (scores > 0) & (uids != own_uid)
    uids, scores = uids[kept], scores[kept]
    if not len(uids):
        return uids, uids
    shares = capped_shares(scores, cap)
    kept = shares >= MINIMUM_OF_MEAN * shares.mean()
    uids, shares = uids[kept], capped_shares(scores[kept], cap)
    weights = np.minimum((shares * U32_MAXIMUM).astype(np.int64), limit)
    weights += spread_rest(weights, shares, limit)
    rest = U32_MAXIMUM - int(weights.sum())
    if rest:
        uids, weights = np.append(uids, own_uid), np.append(weights, rest)
    return uids, weights


def spread_rest(weights: Integers, shares: Floats, limit: int) -> Integers:
    """Return what rounding down left over, given to the greatest shares first, under the limit."""
    order = np.argsort(-shares, kind="stable")
    room = np.minimum(limit - weights[order], ROUNDING)
    taken_before = np.cumsum(room) - room
    more = np.zeros_like(weights)
    more[order] = np.clip(U32_MAXIMUM - weights.sum() - taken_before, 0, room)
    return more


def capped_shares(scores: Floats, maximum_share: float) -> Floats:
    """
    Return shares that sum to 1 as far as the cap lets them, none above it, in proportion below.

    The k greatest get the cap each and the rest share what is left in proportion; k is the least
    that leaves nobody above the cap.
    """
    count = len(scores)
    if count * maximum_share <= 1:
        return np.full(count, maximum_share)
    order = np.argsort(-scores, kind="stable")
    sorted_scores = scores[order]
    remaining = sorted_scores[::-1].cumsum()[::-1]
    left = 1 - np.arange(count) * maximum_share
    greatest = sorted_scores / remaining * left
    capped = int(np.argmax(greatest <= maximum_share))

    shares = np.full(count, maximum_share)
    shares[capped:] = sorted_scores[capped:] / remaining[capped] * left[capped]
    result = np.empty(count)
    result[order] = shares
    return result
