"""How Servers fare as this gateway sees them: health, load, waits, and who read what before."""

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from validator_service.domain.routing import (
    Candidate,
    Health,
    after_failure,
    after_success,
    after_text,
    after_wait,
    judge_patience,
    rank_servers,
)

WAITS_KEPT = 100
"""First-token waits remembered of each Server."""
BEGINNINGS_KEPT = 10_000


@dataclass
class Observations:
    """All by hotkey: a uid may change hands."""

    health: dict[str, Health] = field(default_factory=dict)
    loads: Counter[str] = field(default_factory=Counter)
    """Calls of ours under way."""
    waits: dict[str, deque[float]] = field(default_factory=dict)
    readers: OrderedDict[str, str] = field(default_factory=OrderedDict)
    """Which Server answered last to a beginning."""

    def of(self, hotkey: str) -> Health:
        return self.health.get(hotkey, Health())

    def begin(self, hotkey: str) -> None:
        self.loads[hotkey] += 1

    def end(self, hotkey: str) -> None:
        self.loads[hotkey] -= 1

    def note_success(self, hotkey: str) -> None:
        self.health[hotkey] = after_success(self.of(hotkey))

    def note_failure(self, hotkey: str) -> None:
        self.health[hotkey] = after_failure(self.of(hotkey), time.monotonic())

    def note_wait(self, hotkey: str, seconds: float) -> None:
        self.health[hotkey] = after_wait(self.of(hotkey), seconds)
        self.waits.setdefault(hotkey, deque(maxlen=WAITS_KEPT)).append(seconds)

    def note_pace(self, hotkey: str, token_seconds: float) -> None:
        self.health[hotkey] = after_text(self.of(hotkey), token_seconds)

    def note_reader(self, beginning: str, hotkey: str) -> None:
        self.readers[beginning] = hotkey
        self.readers.move_to_end(beginning)
        if len(self.readers) > BEGINNINGS_KEPT:
            self.readers.popitem(last=False)

    def patience(self, hotkey: str) -> float | None:
        """Return how long to wait for this Server's first token before another is asked too."""
        return judge_patience(self.waits.get(hotkey, ()))

    def rank(
        self,
        servers: Iterable[tuple[int, str, float]],
        *,
        by_speed: bool = False,
        beginning: str | None = None,
    ) -> list[int]:
        """Return the uids of (uid, hotkey, incentive), the one to ask first in front."""
        reader = self.readers.get(beginning) if beginning is not None else None
        candidates = [
            Candidate(uid, incentive, self.of(key), self.loads[key], favourite=key == reader)
            for uid, key, incentive in servers
        ]
        return rank_servers(candidates, time.monotonic(), by_speed=by_speed)

    def keep(self, is_known: Callable[[str], bool]) -> None:
        """Forget Servers that left the network."""
        self.health = {key: value for key, value in self.health.items() if is_known(key)}
        self.waits = {key: value for key, value in self.waits.items() if is_known(key)}
