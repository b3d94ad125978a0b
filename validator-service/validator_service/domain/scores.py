"""
From losses to scores: the scaling law, synergy, duplicates, moving averages (docs/mechanism.md §6).

Whatever concerns many Servers is an array with a row for each, so that a network of thousands is
judged in milliseconds.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from validator_service.domain.averages import Averages, Floats, Mask, no_averages
from validator_service.domain.duplicates import Labels, find_clusters
from validator_service.domain.prompts import RoundSeed, draw_order
from validator_service.domain.shapley import shapley_values

SCALING_CONSTANT = 8.8e13
"""Parameters: N_c of Kaplan et al. (2020), as in BT v3 `scaling_law_loss_to_params`."""
SCALING_EXPONENT = 13.158
"""1 / 0.076, of the same law."""
MAXIMUM_SYNERGY_SHARE = 0.3
"""Of a score. Two Servers that fail by turns would else be worth hundreds of good ones."""
PARTNERS = 20
"""Servers among which synergy is looked for: all of a small network, some of a large one."""
SCALING_LAW = "scaling-law"
SHAPLEY = "shapley"

Uids = NDArray[np.int64]


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
    duplicate_distance: float = 0.1
    """Hellinger distance below which two Servers are one model. A model in bf16 lies about 0.02
    from itself in fp32: √(Δ²/8) for log-probabilities Δ = 0.05 apart; the models that ship lie
    0.38 to 0.60 from each other."""
    by_heart_limit: float = 0.4
    """How much surer of the text's own questions than of altered ones a Server may be, in shares.
    The models that ship are surer by 0.01 to 0.04, a memory of the text by 0.9 (decisions/0010)."""
    probation_rounds: int = 4
    """Rounds before the first value counts: so many tell a memory from a model."""
    rule: str = SCALING_LAW
    """Or `shapley`: what each adds to the ensemble."""


@dataclass(frozen=True, eq=False)
class Standings:
    """What a Validator knows of some Servers."""

    uids: Uids
    hotkeys: tuple[str, ...]
    loss: Averages
    """Nats, over the prompts that were answered."""
    score: Averages
    """Over all rounds; a round without a valid answer counts 0."""
    seconds: Averages
    """From the question to the answer, where there was one."""
    by_heart: Averages
    """How much surer of the text's own questions than of altered ones."""
    rounds: NDArray[np.int64]

    def recall(self, uids: Uids, hotkeys: tuple[str, ...]) -> "Standings":
        """Return what is known of these Servers; a uid under a new hotkey is a stranger."""
        known = {
            (uid, hotkey): row
            for row, (uid, hotkey) in enumerate(zip(self.uids.tolist(), self.hotkeys, strict=True))
        }
        asked = zip(uids.tolist(), hotkeys, strict=True)
        rows = np.array([known.get(name, -1) for name in asked], dtype=np.int64)
        return replace(self.take(rows), uids=uids, hotkeys=hotkeys)

    def take(self, rows: NDArray[np.int64]) -> "Standings":
        """Return what is known in these rows, under the same names; −1 stands for a stranger."""
        return replace(
            self,
            loss=self.loss.take(rows),
            score=self.score.take(rows),
            seconds=self.seconds.take(rows),
            by_heart=self.by_heart.take(rows),
            rounds=np.append(self.rounds, 0)[np.where(rows < 0, len(self.rounds), rows)],
        )


@dataclass(frozen=True, eq=False)
class Round:
    """What the Servers that were asked did in one round: a row for each."""

    answered: Mask
    """Whether there was a valid answer; the other arrays mean nothing where there was none."""
    losses: Floats
    """Nats: the mean over all prompts, and what consumers' text adds to it."""
    canary_losses: Floats
    """[servers, canaries], nats: of the prompts that every Server was asked."""
    fingerprints: NDArray[np.float32]
    """What was said of the canaries' next tokens (`outcomes.make_fingerprint`)."""
    seconds: Floats
    by_heart: Floats
    """How many more of the text's own questions than of the altered ones it was sure of."""
    guess: float
    """The loss of whoever knows nothing: ln V."""
    seed: RoundSeed


@dataclass(frozen=True, eq=False)
class Judgement:
    """The state after a round."""

    standings: Standings
    values: Floats
    """What each Server's round was worth, before averaging."""
    clusters: Labels
    """The row of the first that answered alike; −1 for who did not answer."""


def strangers(uids: Uids, hotkeys: tuple[str, ...]) -> Standings:
    """Return the standings of Servers that nobody has asked yet."""
    count = len(uids)
    nothing = no_averages(count)
    rounds = np.zeros(count, dtype=np.int64)
    return Standings(uids, hotkeys, nothing, nothing, nothing, nothing, rounds)


def judge_round(standings: Standings, seen: Round, rules: Rules) -> Judgement:
    """Return the standings of the asked after one more round."""
    current = replace(
        standings,
        loss=standings.loss.observe(seen.losses, rules.loss_alpha, seen.answered),
        seconds=standings.seconds.observe(seen.seconds, rules.loss_alpha, seen.answered),
        by_heart=standings.by_heart.observe(seen.by_heart, rules.loss_alpha, seen.answered),
        rounds=standings.rounds + 1,
    )
    clusters = cluster_answers(seen, rules.duplicate_distance)
    honest = current.by_heart.value <= rules.by_heart_limit
    holders = find_holders(np.where(honest, clusters, -1), current.seconds.value)
    values = np.zeros(len(seen.answered))
    if rules.rule == SHAPLEY:
        values[holders] = shapley_values(seen.canary_losses[holders], seen.guess, seen.seed)
    else:
        values[holders] = scaling_values(current.loss.value[holders], holders, seen, rules)
    known = current.rounds >= rules.probation_rounds
    scored = replace(current, score=current.score.observe(values, rules.score_alpha, known))
    return Judgement(scored, values, clusters)


def cluster_answers(seen: Round, distance: float) -> Labels:
    rows = np.flatnonzero(seen.answered)
    clusters = np.full(len(seen.answered), -1, dtype=np.int64)
    if len(rows):
        clusters[rows] = rows[find_clusters(seen.fingerprints[rows], distance)]
    return clusters


def find_holders(clusters: Labels, seconds: Floats) -> Uids:
    """
    Return the rows that are paid: of each cluster the one that answers fastest in the long run.

    Decision (docs/decisions/0009): a model is paid once. Whoever fetches his answers from another
    Server is always slower than that one, whoever of them was here first.
    """
    rows = np.flatnonzero(clusters >= 0)
    order = rows[np.lexsort((rows, seconds[rows], clusters[rows]))]
    first = np.diff(clusters[order], prepend=-1) != 0
    return np.sort(order[first])


def base_scores(losses: Floats, rules: Rules) -> Floats:
    """
    Return S = P(L)^γ, with P(L) = 8.8e13 · max(L, L_floor)^(−13.158) the parameter count that the
    scaling law gives for a long-run mean loss of L nats.
    """
    floored = np.maximum(losses, rules.loss_floor)
    constant = SCALING_CONSTANT**rules.gamma
    return np.asarray(constant * floored ** (-SCALING_EXPONENT * rules.gamma))


def scaling_values(losses: Floats, holders: Uids, seen: Round, rules: Rules) -> Floats:
    """Return base + synergy, the latter within its limit, of those that are paid."""
    base = base_scores(losses, rules)
    limit = base * MAXIMUM_SYNERGY_SHARE / (1 - MAXIMUM_SYNERGY_SHARE)
    return base + np.minimum(synergies(losses, holders, seen, rules), limit)


def synergies(losses: Floats, holders: Uids, seen: Round, rules: Rules) -> Floats:
    """
    Return Σ over partners of (P(L − g)^γ − P(L)^γ) / 2 / R, L the lower of both long-run losses.

    g = max(min(l_i, l_j) − l_ij, 0) nats is by how much the mean of both answers was better than
    the better of them on this round's canaries: nothing for two that know the same.
    """
    canaries = seen.canary_losses[holders]
    shares = np.zeros(len(holders))
    order = draw_order(seen.seed, "partners", len(holders))
    whole = len(holders) // PARTNERS * PARTNERS
    groups = (order[:whole].reshape(-1, PARTNERS), order[None, whole:])
    for group in (each for each in groups if each.size):
        first, second = np.triu_indices(group.shape[1], 1)
        gains = ensemble_gains(canaries[group], first, second)
        best = np.minimum(losses[group][:, first], losses[group][:, second])
        extra = base_scores(best - gains, rules) - base_scores(best, rules)
        extra /= 2 * group.shape[1]
        for member in (first, second):
            shares += np.bincount(group[:, member].ravel(), extra.ravel(), minlength=len(shares))
    return shares


def ensemble_gains(canaries: Floats, first: Uids, second: Uids) -> Floats:
    """Return g of each pair in groups [groups, members, canaries]: [groups, pairs], nats."""
    probabilities, means = np.exp(-canaries), canaries.mean(axis=2)
    joint = -np.log((probabilities[:, first] + probabilities[:, second]) / 2).mean(axis=2)
    better = np.minimum(means[:, first], means[:, second])
    return np.asarray(np.maximum(better - joint, 0.0))
