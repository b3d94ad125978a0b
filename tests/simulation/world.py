"""
A world without threads, sockets or clocks, in which everything that can go wrong does.

One heap of events, one source of chance: a seed names one history. Messages are lost, delayed and
doubled; nodes crash, forgetting all that they did not store, or freeze and go on later without
knowing it. After `HEAL_SECONDS` nothing fails any more, so that what must come true in the end can.
"""

import heapq
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

HEAL_SECONDS = 30.0
END_SECONDS = 70.0
LOST_SHARE, DOUBLED_SHARE = 0.15, 0.1
DELAY_SECONDS = 0.08
"""The mean; one in twenty takes fifty times as long, and so arrives out of order."""
LATE_SHARE, LATE_FACTOR = 0.05, 50
TROUBLE_SECONDS = 2.0
"""The mean time between two crashes or freezes."""
OUTAGE_SECONDS = (0.1, 6.0)
FREEZE_SECONDS = (0.2, 18.0)
"""Longer than the silence after which somebody else takes over."""


class Broken(AssertionError):
    """A promise was not kept."""


def demand(kept: object, promise: str) -> None:
    """Stop the history where a promise is broken."""
    if not kept:
        raise Broken(promise)


class World:
    """The clock, the network, and the trouble."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = 0.0
        self.events = 0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    @property
    def healed(self) -> bool:
        return self.now >= HEAL_SECONDS

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self.now + seconds, next(self._order), action))

    def send(
        self, node: "Node", action: Callable[..., None], *words: Any, once: bool = False
    ) -> None:
        """Have a node do something when the message arrives, if it does; `once`: never twice."""
        if self.healed:
            self.at(DELAY_SECONDS, lambda: node.do(action, *words))
            return
        copies = 1 + (not once and self.chance.random() < DOUBLED_SHARE)
        for _ in range(copies):
            if self.chance.random() >= LOST_SHARE:
                self.at(self._delay(), lambda: node.do(action, *words))

    def _delay(self) -> float:
        factor = LATE_FACTOR if self.chance.random() < LATE_SHARE else 1
        return self.chance.expovariate(1 / DELAY_SECONDS) * factor

    def trouble(self, nodes: Sequence["Node"]) -> None:
        """Let nodes crash and freeze, until the world heals."""
        if self.healed:
            return
        node = self.chance.choice(nodes)
        if self.chance.random() < 0.5:
            node.crash(self.chance.uniform(*OUTAGE_SECONDS))
        else:
            node.freeze(self.chance.uniform(*FREEZE_SECONDS))
        self.at(self.chance.expovariate(1 / TROUBLE_SECONDS), lambda: self.trouble(nodes))

    def run(self) -> None:
        """Let everything happen, until the end."""
        while self._heap and self._heap[0][0] < END_SECONDS:
            self.now, _, action = heapq.heappop(self._heap)
            self.events += 1
            action()


class Node(ABC):
    """Somebody in the world: it has a memory, which a crash empties, and may have a store."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.up = True
        self._lives = 0
        self._frozen_until = 0.0

    @abstractmethod
    def wake(self) -> None:
        """Begin anew, with what is stored and nothing else."""

    def do(self, action: Callable[..., None], *words: Any) -> None:
        """Act on what arrived: now, once thawed, or not at all."""
        if not self.up:
            return
        if self.is_frozen:
            self._later(self._frozen_until - self.world.now, action, *words)
            return
        action(*words)

    @property
    def is_frozen(self) -> bool:
        return self.world.now < self._frozen_until

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later, unless a crash comes between."""
        self._later(seconds, action)

    def _later(self, seconds: float, action: Callable[..., None], *words: Any) -> None:
        life = self._lives

        def act() -> None:
            if life == self._lives:
                self.do(action, *words)

        self.world.at(seconds, act)

    def crash(self, outage_seconds: float) -> None:
        if not self.up:
            return
        self.up = False
        self._lives += 1
        self._frozen_until = 0.0
        self.world.at(outage_seconds, self._rise)

    def freeze(self, seconds: float) -> None:
        if self.up:
            self._frozen_until = max(self._frozen_until, self.world.now + seconds)

    def _rise(self) -> None:
        self.up = True
        self.wake()
