"""Who waits for the model: ordered by stake, then by arrival, and never more than a set number."""

from bisect import insort
from collections.abc import Callable
from itertools import count
from typing import Generic, Protocol, TypeVar

from taonet.kit.errors import Refusal, TooMany, Unavailable


class QueueFull(TooMany):
    """As many wait as this Server lets wait."""


class DeadlinePassed(Unavailable):
    """The caller's time was over before its turn came."""

    status = 504


class Waiter(Protocol):
    @property
    def stake_rao(self) -> int: ...
    @property
    def deadline_seconds(self) -> float: ...
    @property
    def gone(self) -> bool: ...
    def refuse(self, refusal: Refusal) -> None: ...
    def expire(self, refusal: Refusal) -> None: ...


Job = TypeVar("Job", bound=Waiter)


class Waiting(Generic[Job]):
    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: list[tuple[int, int, Job]] = []
        self._arrivals = count()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, job: Job) -> None:
        if len(self._entries) >= self._size:
            raise QueueFull(f"{self._size} requests wait already; ask again later, or elsewhere")
        self.put_back(job)

    def put_back(self, job: Job) -> None:
        """Let one wait again that was admitted before, behind those of equal stake."""
        insort(self._entries, (-job.stake_rao, next(self._arrivals), job))

    def take(self, fits: Callable[[Job], bool] = lambda job: True) -> Job | None:
        """The first that fits, if there is one."""
        for index, (_, _, job) in enumerate(self._entries):
            if fits(job):
                del self._entries[index]
                return job
        return None

    def drop_late(self, now_seconds: float) -> None:
        """Refuse those whose time is over, and forget those who went away."""
        kept = []
        for entry in self._entries:
            job = entry[2]
            if not job.gone and job.deadline_seconds <= now_seconds:
                job.expire(DeadlinePassed("the time was over before the request's turn came"))
            elif not job.gone:
                kept.append(entry)
        self._entries = kept

    def refuse_all(self, refusal: Refusal) -> None:
        entries, self._entries = self._entries, []
        for _, _, job in entries:
            job.refuse(refusal)
