"""Which faults there will be, in which order and for how long: all of it follows from a seed."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

GAP_SECONDS = 1.0
"""The mean time between the beginnings of two faults; each is drawn, so they fall anywhere."""
SHORT_SECONDS = (0.3, 4.0)
LONG_SECONDS = (8.0, 14.0)
"""Longer than most timeouts and leases."""
LONG_SHARE = 0.12
DELAY_SECONDS = (0.05, 0.6)
"""What a slow link adds, each way."""


class Kind(StrEnum):
    """How something fails."""

    KILL = "kill"
    """SIGKILL."""
    FREEZE = "freeze"
    """SIGSTOP to the process and its children, SIGCONT later."""
    CUT = "cut"
    """A link loses everything, in silence; what was under way arrives when it heals."""
    RESET = "reset"
    """A link's connections are torn down, new ones refused until it heals."""
    SLOW = "slow"
    """A link delays everything."""


OF_LINKS = (Kind.CUT, Kind.RESET, Kind.SLOW)


@dataclass(frozen=True)
class Fault:
    """One fault of the schedule."""

    number: int
    kind: Kind
    process: str
    target: str
    """The far end of the link that fails; empty where the process itself does."""
    seconds: float
    """How long it lasts; a kill is over at once."""
    delay_seconds: float
    gap_seconds: float
    """After the fault before has begun."""

    def __str__(self) -> str:
        where = f"{self.process} → {self.target}" if self.target else self.process
        lasting = "" if self.kind is Kind.KILL else f" for {self.seconds:.1f} s"
        return f"{self.kind} {where}{lasting}"


def plan_faults(
    seed: int, processes: Sequence[str], links: Mapping[str, Sequence[str]], count: int
) -> list[Fault]:
    """
    Return so many faults; `links` holds whom each process talks to.

    They are dealt from shuffled decks that hold each process once with each kind of fault, so no
    process is forgotten and none is spared for long.
    """
    chance = random.Random(seed)
    faults: list[Fault] = []
    while len(faults) < count:
        deck = list(_fill_deck(processes, links))
        chance.shuffle(deck)
        for kind, process in deck[: count - len(faults)]:
            target = chance.choice(list(links[process])) if kind in OF_LINKS else ""
            long = chance.random() < LONG_SHARE
            faults.append(
                Fault(
                    number=len(faults) + 1,
                    kind=kind,
                    process=process,
                    target=target,
                    seconds=round(chance.uniform(*(LONG_SECONDS if long else SHORT_SECONDS)), 2),
                    delay_seconds=round(chance.uniform(*DELAY_SECONDS), 2),
                    gap_seconds=round(chance.expovariate(1 / GAP_SECONDS), 2),
                )
            )
    return faults


def _fill_deck(
    processes: Sequence[str], links: Mapping[str, Sequence[str]]
) -> Iterable[tuple[Kind, str]]:
    for process in processes:
        yield Kind.KILL, process
        yield Kind.FREEZE, process
        if links.get(process):
            yield from ((kind, process) for kind in OF_LINKS)
