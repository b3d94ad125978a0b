"""From scores to the weights that a Validator sets on chain; after BT v3.4.3 `weight_utils`."""

import numpy as np
from numpy.typing import NDArray

U32_MAXIMUM = 2**32 - 1
"""The whole, on chain."""
MINIMUM_SHARE = 1e-4
"""Whoever would get less is given nothing, so that the silent come to 0 in the end."""
ROUNDING = 2**12
"""The most that rounding down can have left over: one for each of 4096 uids."""

Floats = NDArray[np.float64]


def weights_from_scores(scores: dict[int, float], limit: int, own_uid: int) -> dict[int, int]:
    """
    Return the u32 weight of each uid: zeros dropped, none above the limit, 2^32 − 1 in all.

    The sum is exact because the chain scales what it is given, and would lift a capped weight above
    the limit. What too few Servers may not have under it stays with the Validator itself, where
    the chain counts it for nothing.
    """
    cap = limit / U32_MAXIMUM
    kept = {uid: score for uid, score in sorted(scores.items()) if score > 0 and uid != own_uid}
    shares = shares_by_uid(kept, cap)
    kept = {uid: score for uid, score in kept.items() if shares[uid] >= MINIMUM_SHARE}
    shares = shares_by_uid(kept, cap)
    if not shares:
        return {}
    weights = {uid: min(int(share * U32_MAXIMUM), limit) for uid, share in shares.items()}
    for uid in sorted(weights, key=lambda uid: -shares[uid]):
        weights[uid] += min(limit - weights[uid], U32_MAXIMUM - sum(weights.values()), ROUNDING)
    rest = U32_MAXIMUM - sum(weights.values())
    return {**weights, own_uid: rest} if rest else weights


def shares_by_uid(scores: dict[int, float], maximum_share: float) -> dict[int, float]:
    if not scores:
        return {}
    shares = capped_shares(np.array(list(scores.values()), dtype=np.float64), maximum_share)
    return dict(zip(scores, shares.tolist(), strict=True))


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
