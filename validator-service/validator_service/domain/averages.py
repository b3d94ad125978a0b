"""Moving averages of many Servers at once, each right from its first value on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Averages:
    """One average for each Server; never changed in place."""

    total: Floats
    """Σ α(1−α)^age · value."""
    weight: Floats
    """Σ α(1−α)^age; tends to 1."""

    @property
    def value(self) -> Floats:
        """The bias-corrected means: total / weight, 0 before the first value."""
        known = self.weight > 0
        return np.where(known, self.total / np.where(known, self.weight, 1.0), 0.0)

    def observe(self, values: Floats, alpha: float, told: Mask | None = None) -> "Averages":
        """Return the averages after one more value of those that told one: x ← (1−α)x + αv."""
        if told is None:
            told = np.ones(len(values), dtype=bool)
        keep = np.where(told, 1 - alpha, 1.0)
        return Averages(
            total=keep * self.total + np.where(told, alpha * values, 0.0),
            weight=keep * self.weight + np.where(told, alpha, 0.0),
        )

    def take(self, rows: NDArray[np.int64]) -> "Averages":
        """Return those of some Servers; −1 stands for a stranger, who has none."""
        strange = rows < 0
        padded = (np.append(column, 0.0) for column in (self.total, self.weight))
        total, weight = (column[np.where(strange, len(self.total), rows)] for column in padded)
        return Averages(total, weight)

    def join(self, others: "Averages") -> "Averages":
        """Return these, then the others."""
        return Averages(
            np.concatenate([self.total, others.total]),
            np.concatenate([self.weight, others.weight]),
        )


def no_averages(count: int) -> Averages:
    return Averages(np.zeros(count), np.zeros(count))
