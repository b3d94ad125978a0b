"""From scores to the weights that a Validator sets on chain; after BT v3.4.3 `weight_utils`."""

import numpy as np
from numpy.typing import NDArray

U32_MAXIMUM = 2**32 - 1
"""The whole, on chain."""
MINIMUM_SHARE = 1e-4
"""Whoever would get less is given nothing, so that the silent come to 0 in the end."""

Floats = NDArray[np.float64]


def weights_from_scores(scores: dict[int, float], maximum_share: float) -> dict[int, int]:
    """
    Return the u32 weight of each uid: zeros dropped, capped, 2^32 − 1 in all but for roundings.

    Nobody is given more than `maximum_share`; the rounding is downward, so the cap also holds on
    chain. Too few Servers to fill the whole under the cap are all paid alike.
    """
    kept = {uid: score for uid, score in sorted(scores.items()) if score > 0}
    shares = shares_by_uid(kept, maximum_share)
    kept = {uid: score for uid, score in kept.items() if shares[uid] >= MINIMUM_SHARE}
    shares = shares_by_uid(kept, maximum_share)
    return {uid: int(share * U32_MAXIMUM) for uid, share in shares.items()}


def shares_by_uid(scores: dict[int, float], maximum_share: float) -> dict[int, float]:
    if not scores:
        return {}
    shares = capped_shares(np.array(list(scores.values()), dtype=np.float64), maximum_share)
    return dict(zip(scores, shares.tolist(), strict=True))


def capped_shares(scores: Floats, maximum_share: float) -> Floats:
    """
    Return shares that sum to 1, none above the cap, in proportion below it.

    The k greatest get the cap each and the rest share what is left in proportion; k is the least
    that leaves nobody above the cap.
    """
    count = len(scores)
    if count * maximum_share <= 1:
        return np.full(count, 1 / count)
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
