"""What the last steps paid to whom: the past behind every small chart of a neuron."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chain_service.events import Paid
from chain_service.schemas import Block, Neuron, Payout
from taonet.explorer.figures import Step

STEPS_KEPT = 240
CELLS_MAX = 1_000_000
"""Payments that are kept at most: of 4096 neurons the last 244 steps."""
SPARK_STEPS = 32
SPARK_LEVELS = 99

Amounts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PaidStep:
    step: Step
    amounts_rao: Amounts
    """By uid; who was not paid got 0."""


class Payouts:
    """The last steps, oldest first."""

    def __init__(self) -> None:
        self._steps: deque[PaidStep] = deque(maxlen=STEPS_KEPT)

    @property
    def steps(self) -> list[Step]:
        return [paid.step for paid in self._steps]

    @property
    def last(self) -> Step | None:
        return self._steps[-1].step if self._steps else None

    @property
    def cells(self) -> int:
        return sum(len(paid.amounts_rao) for paid in self._steps)

    def prepend(self, payout: Payout) -> None:
        """Add a step before all others."""
        paid = sum(payout.amounts_rao)
        step = Step(payout.height, payout.time_ms, paid, payout.issuance_rao)
        self._steps.appendleft(PaidStep(step, _by_uid(payout.uids, payout.amounts_rao)))

    def append(self, block: Block, issuance_rao: int) -> Step:
        """Add the step that ended with a block."""
        paid = [event for event in block.events if isinstance(event, Paid)]
        amounts = _by_uid([e.uid for e in paid], [e.amount_rao for e in paid])
        step = Step(block.height, block.header.time_ms, int(amounts.sum()), issuance_rao)
        self._steps.append(PaidStep(step, amounts))
        return step

    def of(self, neuron: Neuron) -> list[tuple[Step, int]]:
        """Return what each step gave to a neuron since it took its slot, in rao."""
        return [
            (paid.step, _amount(paid.amounts_rao, neuron.uid))
            for paid in self._steps
            if paid.step.height > neuron.registered_block
        ]

    def sparks(self, neurons: Sequence[Neuron]) -> list[list[int]]:
        """
        Return the last payouts of each neuron for a chart the size of a word: whole numbers of
        0 … 99, the largest of them 99; steps before it took its slot count 0.
        """
        recent = list(self._steps)[-SPARK_STEPS:]
        if not recent or not neurons:
            return [[] for _ in neurons]
        uids = np.array([neuron.uid for neuron in neurons])
        width = max(int(uids.max()) + 1, *(len(paid.amounts_rao) for paid in recent))
        table = np.zeros((len(recent), width), dtype=np.int64)
        for row, paid in enumerate(recent):
            table[row, : len(paid.amounts_rao)] = paid.amounts_rao
        heights = np.array([paid.step.height for paid in recent])
        since = np.array([neuron.registered_block for neuron in neurons])
        mine = np.where(heights[:, None] > since, table[:, uids], 0)
        largest = np.maximum(mine.max(axis=0), 1)
        levels: list[list[int]] = (mine * SPARK_LEVELS // largest).T.tolist()
        return levels


def _by_uid(uids: Sequence[int], amounts_rao: Sequence[int]) -> Amounts:
    amounts = np.zeros(max(uids, default=-1) + 1, dtype=np.int64)
    amounts[list(uids)] = list(amounts_rao)
    return amounts


def _amount(amounts: Amounts, uid: int) -> int:
    return int(amounts[uid]) if uid < len(amounts) else 0
