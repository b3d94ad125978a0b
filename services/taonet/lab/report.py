"""What a simulation found, in numbers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taonet.kit.money import RAO_PER_TAO
from taonet.lab.simulation import Epoch, Plan, Simulation

VALIDATOR = "validator: "
SERVER = "server: "
HONEST_SERVER = "server: honest"
HONEST_VALIDATOR = "validator: honest"


@dataclass(frozen=True)
class Strategy:
    """What those of one role earned."""

    role: str
    count: int
    mean_tao: float
    """Each, over all epochs."""
    of_median_honest: float
    """The mean, as a part of what the median honest neuron of that kind earned."""


@dataclass(frozen=True)
class Collusion:
    """What Validators gain that favour Servers of their own which know nothing."""

    income_tao: float
    """All of them together, Servers included."""
    honest_tao: float
    """What as many honest Validators earned."""
    gain: float
    """income / honest − 1; negative: they lost by it."""


@dataclass(frozen=True, eq=False)
class Report:
    """Everything but the time it took is the same for the same plan."""

    plan: Plan
    strategies: list[Strategy]
    cheats_share: list[float]
    """Of each epoch's emission to Servers: what went to those that cheat."""
    gini: list[float]
    """Of what honest Servers earned so far, by epoch."""
    dividends: dict[str, list[float]]
    """By role of Validator, by epoch: TAO so far, for each TAO at the start."""
    collusion: Collusion | None
    seconds: list[float]
    """Of each epoch, on this machine."""

    def as_json(self) -> dict[str, Any]:
        measured = sorted(self.seconds)
        return {
            "plan": asdict(self.plan),
            "strategies": [asdict(strategy) for strategy in self.strategies],
            "collusion": asdict(self.collusion) if self.collusion else None,
            "cheats_share": self.cheats_share,
            "gini": self.gini,
            "dividends": self.dividends,
            "epoch_seconds": {
                "median": float(np.median(measured)),
                "least": measured[0],
                "most": measured[-1],
            },
        }


def summarise(simulation: Simulation, epochs: Sequence[Epoch]) -> Report:
    """Return what all epochs together show."""
    roles = np.array(simulation.roles)
    income = np.cumsum([epoch.income_rao for epoch in epochs], axis=0) / RAO_PER_TAO
    return Report(
        plan=simulation.plan,
        strategies=rank_strategies(roles, income[-1]),
        cheats_share=[find_cheats_share(roles, epoch.income_rao) for epoch in epochs],
        gini=[calculate_gini(row[roles == HONEST_SERVER]) for row in income],
        dividends=follow_dividends(roles, income, simulation.plan.stake_tao),
        collusion=weigh_collusion(roles, income[-1]),
        seconds=[epoch.seconds for epoch in epochs],
    )


def rank_strategies(roles: NDArray[np.str_], income: NDArray[np.float64]) -> list[Strategy]:
    """Return a line for each role, the best paid first, Validators before Servers."""
    found = []
    for role in sorted(set(roles.tolist())):
        honest = HONEST_VALIDATOR if role.startswith(VALIDATOR) else HONEST_SERVER
        median = float(np.median(income[roles == honest])) if (roles == honest).any() else 0.0
        mean = float(income[roles == role].mean())
        relative = mean / median if median else 0.0
        found.append(Strategy(role, int((roles == role).sum()), mean, relative))
    return sorted(found, key=lambda each: (each.role.startswith(SERVER), -each.mean_tao))


def find_cheats_share(roles: NDArray[np.str_], income: NDArray[np.int64]) -> float:
    servers = np.char.startswith(roles, SERVER)
    cheats = servers & (roles != HONEST_SERVER)
    total = int(income[servers].sum())
    return float(income[cheats].sum() / total) if total else 0.0


def calculate_gini(incomes: NDArray[np.float64]) -> float:
    """Return 0 where all have the same, towards 1 where one has all: Σ(2i − n − 1)x_i / (n·Σx)."""
    ordered, count = np.sort(incomes), len(incomes)
    if not count or ordered.sum() <= 0:
        return 0.0
    ranks = 2 * np.arange(1, count + 1) - count - 1
    return float((ranks * ordered).sum() / (count * ordered.sum()))


def follow_dividends(
    roles: NDArray[np.str_], income: NDArray[np.float64], stake_tao: int
) -> dict[str, list[float]]:
    return {
        role: (income[:, roles == role].mean(axis=1) / stake_tao).tolist()
        for role in sorted(set(roles.tolist()))
        if role.startswith(VALIDATOR)
    }


def weigh_collusion(roles: NDArray[np.str_], income: NDArray[np.float64]) -> Collusion | None:
    validators = roles == f"{VALIDATOR}collude"
    honest = roles == HONEST_VALIDATOR
    if not validators.any() or not honest.any():
        return None
    gained = float(income[validators | (roles == f"{SERVER}collude")].sum())
    fair = float(income[honest].mean() * validators.sum())
    return Collusion(gained, fair, gained / fair - 1 if fair else 0.0)
