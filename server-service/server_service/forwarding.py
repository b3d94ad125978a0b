"""One forward pass for several callers at once: the requests that answer with arrays."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from server_service.domain.phrases import build_next_phrases, build_token_probabilities, normalise
from server_service.engine import Engine, Tokens
from server_service.schemas import RequestKind
from taonet.kit.errors import Refusal

POSITIONS_MAX = 4096
"""Of one pass whose every position is wanted: with 2048 tokens, 32 MiB of logits."""

Arrays = Mapping[str, npt.NDArray[np.generic]]


@dataclass(eq=False)
class ForwardJob:
    """Rows of tokens, and the future that takes the arrays of their answer."""

    kind: RequestKind
    tokens: Tokens
    top_k: int
    stake_rao: int
    deadline_seconds: float
    """On `time.monotonic`'s clock; the wait is part of it."""
    future: "Future[Arrays]" = field(default_factory=Future)

    @property
    def gone(self) -> bool:
        return self.future.cancelled()

    def refuse(self, refusal: Refusal) -> None:
        if not self.future.done() and self.future.set_running_or_notify_cancel():
            self.future.set_exception(refusal)

    expire = refuse

    def can_merge(self, other: "ForwardJob") -> bool:
        return (self.kind, self.tokens.shape[1]) == (other.kind, other.tokens.shape[1])


def run_merged(engine: Engine, jobs: Sequence[ForwardJob]) -> None:
    """Answer jobs of one kind and one length together."""
    jobs = [job for job in jobs if not job.gone]
    if not jobs:
        return
    if jobs[0].kind is RequestKind.NEXT:
        merged = normalise(engine.next_logits(np.concatenate([job.tokens for job in jobs])))
        ends = np.cumsum([len(job.tokens) for job in jobs])
        for job, rows in zip(jobs, np.split(merged, ends[:-1]), strict=True):
            phrases = build_next_phrases(rows, job.top_k)
            deliver(job, vars(phrases))
    else:
        for job in jobs:
            deliver(job, compute_every(engine, job))


def compute_every(engine: Engine, job: ForwardJob) -> Arrays:
    """What is wanted at every position, some rows at a time, so that memory stays small."""
    if job.kind is RequestKind.HIDDEN:
        parts = [{"hidden": engine.hidden_states(rows)} for rows in slices(job.tokens)]
    else:
        parts = [
            vars(build_token_probabilities(normalise(engine.every_logits(rows)), job.top_k))
            for rows in slices(job.tokens)
        ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def slices(tokens: Tokens) -> Iterator[Tokens]:
    rows = max(POSITIONS_MAX // tokens.shape[1], 1)
    for start in range(0, len(tokens), rows):
        yield tokens[start : start + rows]


def deliver(job: ForwardJob, arrays: Arrays) -> None:
    if job.future.set_running_or_notify_cancel():
        job.future.set_result(arrays)
