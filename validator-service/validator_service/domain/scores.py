"""From losses to scores: the scaling law, synergy, duplicates, moving averages (MECHANISM §7)."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

SCALING_CONSTANT = 8.8e13
"""Parameters: N_c of Kaplan et al. (2020), as in BT v3 `scaling_law_loss_to_params`."""
SCALING_EXPONENT = 13.158
"""1 / 0.076, of the same law."""
MAXIMUM_SYNERGY_SHARE = 0.3
"""Of a score. Two Servers that fail by turns would else be worth hundreds of good ones."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rules:
    """What a Validator chooses; the chain does not prescribe it."""

    loss_floor: float = 0.5
    """Nats. No loss below it is worth more."""
    gamma: float = 0.5
    """Power of the scaling law's parameter count."""
    score_alpha: float = 0.1
    """Weight of the newest round in a score's moving average."""
    loss_alpha: float = 0.02
    """The same for losses: the scaling law is meant for long-run means only."""
    duplicate_distance: float = 0.03
    """Hellinger distance below which two Servers are one model. A model in bf16 lies about 0.02
    from itself in fp32: √(Δ²/8) for log-probabilities Δ = 0.05 apart."""


@dataclass(frozen=True)
class Average:
    """A moving average that is right from its first value on."""

    total: float = 0.0
    """Σ α(1−α)^age · value."""
    weight: float = 0.0
    """Σ α(1−α)^age; tends to 1."""

    @property
    def value(self) -> float:
        """The bias-corrected mean: total / weight, 0 before the first value."""
        return self.total / self.weight if self.weight > 0 else 0.0


@dataclass(frozen=True)
class Standing:
    """What a Validator knows of one Server."""

    uid: int
    hotkey: str
    loss: Average = Average()
    """Nats, over the prompts that were answered."""
    score: Average = Average()
    """Over all rounds; a round without a valid answer counts 0."""
    rounds: int = 0


@dataclass(frozen=True)
class Pair:
    """What a Validator knows of two Servers together, from prompts that both were asked."""

    low_uid: int
    high_uid: int
    low_loss: Average = Average()
    high_loss: Average = Average()
    joint_loss: Average = Average()
    """Nats, of the mean of both answers."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one Server did in one round."""

    uid: int
    hotkey: str
    losses: Floats | None
    """Nats per prompt; None for silence or a malformed answer."""
    canary_losses: Floats | None = None
    """Nats per canary: the prompts that every Server was asked."""
    canary_distributions: Floats | None = None
    """[canaries, vocabulary]: what was said of the next token."""


@dataclass(frozen=True)
class Judgement:
    """The state after a round."""

    standings: dict[int, Standing]
    pairs: dict[tuple[int, int], Pair]
    values: dict[int, float]
    """What each Server's round was worth, before averaging."""
    clusters: list[list[int]]
    """Uids that answered alike, of two and more."""


def judge_round(
    outcomes: list[Outcome],
    standings: dict[int, Standing],
    pairs: dict[tuple[int, int], Pair],
    rules: Rules,
) -> Judgement:
    """Return the standings after one more round. Servers that were not asked keep theirs."""
    current = {o.uid: observe_loss(known_as(standings, o), o, rules) for o in outcomes}
    answered = [o for o in outcomes if o.losses is not None]
    joint = {
        key: observe_pair(known_pair(pairs, standings, first, second), first, second, rules)
        for key, first, second in each_pair(answered)
    }
    clusters = duplicate_clusters(answered, rules.duplicate_distance)
    values = round_values(answered, current, joint, clusters, rules)
    scored = {
        uid: replace(
            standing,
            score=observe(standing.score, values.get(uid, 0.0), rules.score_alpha),
            rounds=standing.rounds + 1,
        )
        for uid, standing in current.items()
    }
    return Judgement(
        standings={**standings, **scored},
        pairs={**pairs, **joint},
        values={uid: values.get(uid, 0.0) for uid in current},
        clusters=[cluster for cluster in clusters if len(cluster) > 1],
    )


def observe(average: Average, value: float, alpha: float) -> Average:
    """Return the average after one more value: x ← (1−α)x + αv, and the same for the weight."""
    return Average(
        total=(1 - alpha) * average.total + alpha * value,
        weight=(1 - alpha) * average.weight + alpha,
    )


def known_as(standings: dict[int, Standing], outcome: Outcome) -> Standing:
    """Return what is known of a Server; a uid under a new hotkey is a stranger."""
    known = standings.get(outcome.uid)
    if known is None or known.hotkey != outcome.hotkey:
        return Standing(uid=outcome.uid, hotkey=outcome.hotkey)
    return known


def observe_loss(standing: Standing, outcome: Outcome, rules: Rules) -> Standing:
    if outcome.losses is None:
        return standing
    mean = float(outcome.losses.mean())
    return replace(standing, loss=observe(standing.loss, mean, rules.loss_alpha))


def base_score(loss: float, rules: Rules) -> float:
    """
    Return S = P(L)^γ, with P(L) = 8.8e13 · max(L, L_floor)^(−13.158) the parameter count that the
    scaling law gives for a long-run mean loss of L nats.
    """
    parameters = SCALING_CONSTANT * max(loss, rules.loss_floor) ** -SCALING_EXPONENT
    return float(parameters**rules.gamma)


def round_values(
    answered: list[Outcome],
    standings: dict[int, Standing],
    pairs: dict[tuple[int, int], Pair],
    clusters: list[list[int]],
    rules: Rules,
) -> dict[int, float]:
    """Return (base + synergy) / size of the cluster for each Server that answered."""
    sizes = {uid: len(cluster) for cluster in clusters for uid in cluster}
    synergy = synergies(pairs, len(answered), rules)
    values = {}
    for outcome in answered:
        base = base_score(standings[outcome.uid].loss.value, rules)
        limit = base * MAXIMUM_SYNERGY_SHARE / (1 - MAXIMUM_SYNERGY_SHARE)
        extra = min(synergy.get(outcome.uid, 0.0), limit)
        values[outcome.uid] = (base + extra) / sizes[outcome.uid]
    return values


def synergies(pairs: dict[tuple[int, int], Pair], servers: int, rules: Rules) -> dict[int, float]:
    """
    Return Σ over partners of max(P(L_joint)^γ − P(min(L_i, L_j))^γ, 0) / 2 / R for each uid.

    All three losses are long-run means over the same canaries. Two copies have one loss, and none
    together is better: they earn nothing by it.
    """
    shares: dict[int, float] = {}
    for pair in pairs.values():
        best = min(pair.low_loss.value, pair.high_loss.value)
        gain = base_score(pair.joint_loss.value, rules) - base_score(best, rules)
        for uid in (pair.low_uid, pair.high_uid):
            shares[uid] = shares.get(uid, 0.0) + max(gain, 0.0) / 2 / servers
    return shares


def each_pair(answered: list[Outcome]) -> list[tuple[tuple[int, int], Outcome, Outcome]]:
    """Return every two Servers that answered the same canaries, the lower uid first."""
    able = sorted((o for o in answered if o.canary_losses is not None), key=lambda o: o.uid)
    return [
        ((first.uid, second.uid), first, second)
        for index, first in enumerate(able)
        for second in able[index + 1 :]
    ]


def known_pair(
    pairs: dict[tuple[int, int], Pair],
    standings: dict[int, Standing],
    first: Outcome,
    second: Outcome,
) -> Pair:
    """Return what is known of a pair; a new hotkey on either side makes it unknown."""
    fresh = Pair(low_uid=first.uid, high_uid=second.uid)
    for outcome in (first, second):
        known = standings.get(outcome.uid)
        if known is None or known.hotkey != outcome.hotkey:
            return fresh
    return pairs.get((first.uid, second.uid), fresh)


def observe_pair(pair: Pair, first: Outcome, second: Outcome, rules: Rules) -> Pair:
    """Return the pair after one more round; the joint loss is that of the mean of both answers."""
    assert first.canary_losses is not None
    assert second.canary_losses is not None
    mean_probability = (np.exp(-first.canary_losses) + np.exp(-second.canary_losses)) / 2
    joint = float(-np.log(mean_probability).mean())
    low, high = float(first.canary_losses.mean()), float(second.canary_losses.mean())
    return replace(
        pair,
        low_loss=observe(pair.low_loss, low, rules.loss_alpha),
        high_loss=observe(pair.high_loss, high, rules.loss_alpha),
        joint_loss=observe(pair.joint_loss, joint, rules.loss_alpha),
    )


def hellinger_distances(distributions: Floats) -> Floats:
    """
    Return the mean distance of every two Servers over the canaries: [servers, servers].

    H(p, q) = √(1 − Σ √(p·q)), 0 for the same answer, 1 for answers with nothing in common.
    `distributions` is [servers, canaries, vocabulary].
    """
    roots = np.sqrt(distributions).transpose(1, 0, 2)
    overlap = np.clip(roots @ roots.transpose(0, 2, 1), 0.0, 1.0)
    return np.asarray(np.sqrt(1.0 - overlap).mean(axis=0))


def duplicate_clusters(answered: list[Outcome], distance: float) -> list[list[int]]:
    """Return the uids in groups that answer the canaries alike; a chain of likeness is one."""
    alone = [[o.uid] for o in answered if o.canary_distributions is None]
    told = {o.uid: o.canary_distributions for o in answered if o.canary_distributions is not None}
    if not told:
        return alone
    near = hellinger_distances(np.stack(list(told.values()))) < distance
    group = list(range(len(told)))
    for low, high in zip(*np.nonzero(np.triu(near, 1)), strict=True):
        group = [group[low] if member == group[high] else member for member in group]
    members: dict[int, list[int]] = {}
    for uid, number in zip(told, group, strict=True):
        members.setdefault(number, []).append(uid)
    return alone + list(members.values())
