"""The simulated Validators' own work: each asks all Servers, judges them, and weighs them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chain_service.domain.rows import PackedRow
from taonet.lab.bank import VOCABULARY
from taonet.lab.casting import Crowd, Uids
from validator_service.domain.prompts import RoundSeed, Shape, draw_numbers
from validator_service.domain.scores import Round, Rules, Standings, judge_round, strangers
from validator_service.domain.weights import weights_from_scores

SHAPE = Shape()
SECONDS_SPREAD = 0.1
"""How much the time of an answer varies, in the logarithm."""
MISSED_SHARE = 0.01
"""Answers that do not arrive in time, whoever's they are."""


@dataclass(frozen=True, eq=False)
class Task:
    """What happened since the last epoch that a Validator sees."""

    epoch: int
    models: Uids
    """The row of the bank that each Server answers from now."""
    replaced: Uids
    """Servers whose slot went to another hotkey."""


class Judge:
    """One honest Validator: the domain's own rules on what it sees."""

    def __init__(self, number: int, first_uid: int, crowd: Crowd, rules: Rules, limit: int) -> None:
        self.number = number
        self.first_uid = first_uid
        self.crowd = crowd
        self.rules = rules
        self.limit = limit
        uids = first_uid + np.arange(len(crowd.roles))
        self.standings = strangers(uids, ("",) * len(uids))

    def work(self, task: Task) -> PackedRow:
        """Judge one round over all Servers, and return the weights it leads to."""
        seed = RoundSeed(f"block {task.epoch}", f"secret {self.number}", task.epoch)
        seen = ask(self.crowd, task.models, seed)
        known = forget(self.standings, task.replaced)
        self.standings = judge_round(known, seen, self.rules).standings
        return PackedRow(
            *weights_from_scores(
                self.standings.uids, self.standings.score.value, self.limit, self.number
            )
        )


def forget(standings: Standings, rows: Uids) -> Standings:
    """Return the standings with some rows made strangers."""
    if not len(rows):
        return standings
    kept = np.arange(len(standings.uids))
    kept[rows] = -1
    return standings.take(kept)


def ask(crowd: Crowd, models: Uids, seed: RoundSeed) -> Round:
    """Return what all Servers answered: prompts of their own, and shared canaries."""
    bank, servers = crowd.bank, len(models)
    own = draw_numbers(seed, "own", servers * SHAPE.prompts, bank.questions)
    canaries = draw_numbers(seed, "canary", SHAPE.canaries, bank.questions)
    canary_losses = bank.losses[models[:, None], canaries]
    told = np.concatenate(
        [bank.losses[models[:, None], own.reshape(servers, -1)], canary_losses], axis=1
    )
    fingerprints = bank.fingerprints[canaries[:, None], models] / np.sqrt(np.float32(len(canaries)))
    chances = draw_uniform(seed, "chance", 2 * servers).reshape(2, servers)
    return Round(
        answered=crowd.answers & (chances[0] >= MISSED_SHARE),
        losses=told.mean(axis=1, dtype=np.float64),
        canary_losses=canary_losses.astype(np.float64),
        fingerprints=fingerprints.transpose(1, 0, 2).reshape(servers, -1),
        seconds=crowd.seconds * np.exp(SECONDS_SPREAD * (chances[1] - 0.5)),
        by_heart=np.zeros(servers),
        guess=float(np.log(VOCABULARY)),
        seed=seed,
    )


def draw_uniform(seed: RoundSeed, purpose: str, count: int) -> NDArray[np.float64]:
    return np.asarray(draw_numbers(seed, purpose, count, 2**53) / 2.0**53)
