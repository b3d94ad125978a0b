"""How Validators rate Servers, and how far they agree. Pure functions and values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chain_service.schemas import Neuron, WeightRow


@dataclass(frozen=True)
class Rater:
    """One that set weights, and what they say."""

    neuron: Neuron
    stake_share: float
    """Of the stake of all that set weights: how much its word counts."""
    shares: dict[int, float]
    """Its weights by uid, as shares of their sum."""
    agreement: float = 0.0
    """How much of its weight lies where the stake-weighted mean of all lays it, 0 … 1."""


def weigh_raters(rows: Sequence[WeightRow], neurons: dict[int, Neuron]) -> list[Rater]:
    """Return who rates, the most stake first, with how far each agrees with all of them."""
    known = [(neurons[row.uid], row) for row in rows if row.uid in neurons and row.weights]
    total_rao = sum(neuron.stake_rao for neuron, _ in known)
    raters = [
        Rater(
            neuron,
            # While nobody has any stake, each that set weights has one vote.
            neuron.stake_rao / total_rao if total_rao else 1 / len(known),
            _shares(row.weights, neuron.uid),
        )
        for neuron, row in known
    ]
    mean = mean_shares(raters)
    return [
        Rater(r.neuron, r.stake_share, r.shares, measure_agreement(r.shares, mean)) for r in raters
    ]


def mean_shares(raters: Iterable[Rater]) -> dict[int, float]:
    """Return the mean of all ratings by uid, each weighted by its rater's stake."""
    mean: dict[int, float] = {}
    for rater in raters:
        for uid, share in rater.shares.items():
            mean[uid] = mean.get(uid, 0.0) + rater.stake_share * share
    return mean


def measure_agreement(shares: dict[int, float], mean: dict[int, float]) -> float:
    """Return Σ min(own share, mean share): 1 where they are the same, 0 where nothing is shared."""
    return sum(min(share, mean.get(uid, 0.0)) for uid, share in shares.items())


def choose_columns(raters: Sequence[Rater], limit: int) -> list[int]:
    """Return the uids that the mean rates highest, in the order of their uids."""
    mean = mean_shares(raters)
    best = sorted(mean, key=lambda uid: (-mean[uid], uid))[:limit]
    return sorted(best)


def _shares(weights: Sequence[tuple[int, int]], own_uid: int) -> dict[int, float]:
    """Return weights as shares of their sum; what a neuron gives itself doesn't count."""
    others = [(uid, weight) for uid, weight in weights if uid != own_uid and weight]
    total = sum(weight for _, weight in others)
    return {uid: weight / total for uid, weight in others} if total else {}
