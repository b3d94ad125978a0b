"""The one thread that computes: it merges what different callers wait for into shared batches.

Each turn takes at most one merged forward pass, lets new texts join, and adds one token to every
text that is on its way; so a long text never holds up a short question by more than a step.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from prometheus_client import Counter, Gauge, Histogram

from server_service.domain.text import Decode
from server_service.engine import Engine, Floats
from server_service.forwarding import ForwardJob, run_merged
from server_service.generation import GenerateJob, Generation
from server_service.schemas import FinishReason, RequestKind
from server_service.waiting import Waiting
from taonet.kit.errors import Unavailable
from taonet.kit.logging import get_logger
from taonet.kit.metrics import HTTP_BUCKETS

MERGED_ROWS_MAX = 64
"""Rows of one forward pass that several callers share."""
STREAMS_MAX = 16
"""Texts that go on at once; the others wait."""
PREFILL_TOKENS_MAX = 1024
"""Of the prompts that join in one turn, so that running texts are not held up for long."""
STOP_SECONDS = 10.0

log = get_logger(__name__)

QUEUE = Gauge("taonet_server_queue_requests", "Requests that wait for the model.")
STREAMS = Gauge("taonet_server_streams", "Texts that are being generated.")
TOKENS = Counter("taonet_server_tokens_total", "Tokens read and written.", ["direction"])
FIRST_TOKEN = Histogram(
    "taonet_server_first_token_seconds",
    "From a generation's arrival to its first token.",
    buckets=HTTP_BUCKETS,
)
FORWARD = Histogram(
    "taonet_server_forward_seconds", "Time of one pass.", ["kind"], buckets=(0.001, *HTTP_BUCKETS)
)


class EngineFailed(Unavailable):
    """The model failed on this batch; others are not affected."""


class Batcher:
    """Owns the engine's thread. `submit_…` may be called from any thread, and answers at once."""

    def __init__(self, engine: Engine, decode: Decode, queue_size: int) -> None:
        self._engine = engine
        self._decode = decode
        self._forwards: Waiting[ForwardJob] = Waiting(queue_size)
        self._generations: Waiting[GenerateJob] = Waiting(queue_size)
        self._running: list[Generation] = []
        self._batch = engine.start_batch()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(STOP_SECONDS)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def submit_forward(self, job: ForwardJob) -> None:
        with self._changed:
            self._forwards.put(job)
            self._changed.notify()

    def submit_generation(self, job: GenerateJob) -> None:
        with self._changed:
            self._generations.put(job)
            self._changed.notify()

    def _run(self) -> None:
        while self._wait_for_work():
            self._answer_forwards()
            self._join_generations()
            self._step()
        self._refuse_rest()

    def _wait_for_work(self) -> bool:
        with self._changed:
            while not (self._stopping or self._running or self._forwards or self._generations):
                self._changed.wait()
            now = time.monotonic()
            self._forwards.drop_late(now)
            self._generations.drop_late(now)
            QUEUE.set(len(self._forwards) + len(self._generations))
            return not self._stopping

    def _answer_forwards(self) -> None:
        jobs = self._take_alike()
        if not jobs:
            return
        try:
            with timed(jobs[0].kind):
                run_merged(self._engine, jobs)
            TOKENS.labels("prompt").inc(sum(job.tokens.size for job in jobs))
        except Exception:
            log.exception("a forward pass failed", kind=jobs[0].kind, requests=len(jobs))
            for job in jobs:
                job.refuse(EngineFailed("the model failed on this request; try again"))

    def _take_alike(self) -> list[ForwardJob]:
        """The first in the queue, and others of the same kind and length that fit beside it."""
        with self._changed:
            first = self._forwards.take()
            if first is None:
                return []
            jobs = [first]
            while job := self._forwards.take(partial(fits_beside, jobs)):
                jobs.append(job)
            return jobs

    def _join_generations(self) -> None:
        budget = PREFILL_TOKENS_MAX
        while len(self._running) < STREAMS_MAX and budget > 0:
            with self._changed:
                job = self._generations.take()
            if job is None:
                return
            budget -= len(job.prompt)
            self._begin(job)

    def _begin(self, job: GenerateJob) -> None:
        generation = Generation(job, self._decode, self._engine.facts.end_tokens)
        try:
            with timed(RequestKind.GENERATE):
                logits = self._batch.join([job.prompt])
        except Exception:
            log.exception("a prompt could not be read", tokens=len(job.prompt))
            job.refuse(EngineFailed("the model failed on this prompt; try again"))
            return
        TOKENS.labels("prompt").inc(len(job.prompt))
        FIRST_TOKEN.observe(time.monotonic() - job.arrived_seconds)
        self._running.append(generation)
        self._advance([generation], logits)

    def _step(self) -> None:
        """One token for every text; those that came to their end leave the batch."""
        self._leave()
        if not self._running:
            return
        try:
            with timed(RequestKind.GENERATE):
                logits = self._batch.step([text.last_token for text in self._running])
        except Exception:
            self._abandon()
            return
        self._advance(self._running, logits)

    def _advance(self, texts: list[Generation], logits: Floats) -> None:
        for text, row in zip(texts, logits, strict=True):
            try:
                text.job.emit(text.advance(row))
            # Whatever is wrong with one text must not reach the others of its batch.
            except Exception:
                log.exception("a token could not be chosen")
                text.job.refuse(EngineFailed("the next token could not be chosen; try again"))
                text.job.gone = True
        TOKENS.labels("generated").inc(len(texts))

    def _leave(self) -> None:
        now = time.monotonic()
        for text in self._running:
            if text.finish_reason is None and text.job.deadline_seconds <= now:
                text.finish_reason = FinishReason.TIMEOUT
        staying = [
            row
            for row, text in enumerate(self._running)
            if text.finish_reason is None and not text.job.gone
        ]
        if len(staying) == len(self._running):
            return
        for text in self._running:
            if text.finish_reason is not None:
                text.job.emit(text.summarise(text.finish_reason))
        self._running = [self._running[row] for row in staying]
        self._batch.keep(staying)
        STREAMS.set(len(self._running))

    def _abandon(self) -> None:
        """After a failed step nobody's past can be trusted: tell all, and begin anew."""
        log.exception("a step failed", texts=len(self._running))
        for text in self._running:
            text.job.refuse(EngineFailed("the model failed on this text; try again"))
        self._running = []
        self._batch = self._engine.start_batch()

    def _refuse_rest(self) -> None:
        stopped = Unavailable("this Server is stopping; ask another")
        with self._changed:
            self._forwards.refuse_all(stopped)
            self._generations.refuse_all(stopped)
        for text in self._running:
            text.job.refuse(stopped)


def fits_beside(jobs: list[ForwardJob], other: ForwardJob) -> bool:
    rows = sum(len(job.tokens) for job in jobs)
    return jobs[0].can_merge(other) and rows + len(other.tokens) <= MERGED_ROWS_MAX


@contextmanager
def timed(kind: RequestKind) -> Iterator[None]:
    with FORWARD.labels(kind.value).time():
        yield
