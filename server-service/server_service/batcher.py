"""The one thread that computes: it merges what different callers wait for into shared batches.

Each turn takes at most one merged forward pass, lets new texts join, and adds one token to every
text that is on its way; so a long text never holds up a short question by more than a step.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from prometheus_client import Counter, Gauge, Histogram

from server_service.engine import Engine, Floats
from server_service.forwarding import ForwardJob, run_merged
from server_service.generation import Generation
from server_service.schemas import FinishReason, RequestKind
from server_service.waiting import Waiter, Waiting
from taonet.kit.errors import Refusal, Unavailable
from taonet.kit.logging import get_logger
from taonet.kit.metrics import HTTP_BUCKETS

MERGED_ROWS_MAX = 64
"""Rows of one forward pass that several callers share."""
STREAMS_MAX = 16
"""Texts that go on at once on a processor; the others wait."""
PREFILL_TOKENS_MAX = 1024
"""Of the prompts that join in one turn, so that running texts are not held up for long."""
STOP_SECONDS = 10.0
OUT_OF_MEMORY_SIGNS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate",
    "bad_alloc",
    "alloc_failed",  # cuBLAS, whose workspace no longer fits
)

log = get_logger(__name__)

QUEUE = Gauge("taonet_server_queue_requests", "Requests that wait for the model.", ["engine"])
STREAMS = Gauge("taonet_server_streams", "Texts that are being generated.", ["engine"])
TOKENS = Counter("taonet_server_tokens_total", "Tokens read and written.", ["direction"])
FORWARD = Histogram(
    "taonet_server_forward_seconds", "Time of one pass.", ["kind"], buckets=(0.001, *HTTP_BUCKETS)
)


class EngineFailed(Unavailable):
    """The model failed on this batch; others are not affected."""


class OutOfMemory(Unavailable):
    """This batch was larger than the memory that is left; the next ones are smaller."""


class Batcher:
    """Owns the engine's thread. `submit_…` may be called from any thread, and answers at once."""

    def __init__(self, engine: Engine, queue_size: int, streams_max: int = STREAMS_MAX) -> None:
        self._engine = engine
        self._most_streams = streams_max
        self._forwards: Waiting[ForwardJob] = Waiting(queue_size)
        self._generations: Waiting[Generation] = Waiting(queue_size)
        self._running: list[Generation] = []
        self._batch = engine.start_batch()
        self._better: Engine | None = None
        self._rows_max = MERGED_ROWS_MAX
        self._streams_max = streams_max
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

    @property
    def busy(self) -> bool:
        """Whether anybody waits for this thread's work."""
        return bool(self._running or self._forwards or self._generations)

    def submit_forward(self, job: ForwardJob) -> None:
        with self._changed:
            self._forwards.put(job)
            self._changed.notify()

    def submit_generation(self, generation: Generation) -> None:
        with self._changed:
            self._generations.put(generation)
            self._changed.notify()

    def swap_engine(self, engine: Engine) -> None:
        """Compute with another engine from the next turn on; running texts go on with it."""
        with self._changed:
            self._better = engine
            self._changed.notify()

    def _run(self) -> None:
        while self._wait_for_work():
            self._take_better_engine()
            self._answer_forwards()
            self._join_generations()
            self._step()
        self._refuse_rest()

    def _wait_for_work(self) -> bool:
        with self._changed:
            while not (self._stopping or self.busy or self._better):
                self._changed.wait()
            now = time.monotonic()
            self._forwards.drop_late(now)
            self._generations.drop_late(now)
            QUEUE.labels("steps").set(len(self._forwards) + len(self._generations))
            return not self._stopping

    def _take_better_engine(self) -> None:
        """Texts on their way are read again by the new engine, and lose nothing."""
        with self._changed:
            better, self._better = self._better, None
        if better is None:
            return
        self._leave()
        self._engine, self._batch = better, better.start_batch()
        running, self._running = self._running, []
        for text in running:
            self._begin([text])

    def _answer_forwards(self) -> None:
        jobs = self._take_alike()
        if not jobs:
            return
        try:
            with timed(jobs[0].kind):
                run_merged(self._engine, jobs)
        except Exception as error:
            self._tell_failure(error, jobs, sum(len(job.tokens) for job in jobs))
        else:
            TOKENS.labels("prompt").inc(sum(job.tokens.size for job in jobs))
            self._rows_max = min(self._rows_max + 1, MERGED_ROWS_MAX)

    def _tell_failure(self, error: Exception, jobs: Sequence[Waiter], rows: int) -> None:
        """Refuse those of a failed pass. Where memory was short, share passes among fewer."""
        log.exception("a pass failed", requests=len(jobs), rows=rows)
        refusal, short_of_memory = make_refusal(error)
        if short_of_memory:
            self._rows_max = max(rows // 2, 1)
        for job in jobs:
            job.refuse(refusal)

    def _take_alike(self) -> list[ForwardJob]:
        """The first in the queue, and others of the same kind and length that fit beside it."""
        with self._changed:
            first = self._forwards.take()
            if first is None:
                return []
            jobs = [first]
            while job := self._forwards.take(partial(self._fits_beside, jobs)):
                jobs.append(job)
            return jobs

    def _fits_beside(self, jobs: list[ForwardJob], other: ForwardJob) -> bool:
        rows = sum(len(job.tokens) for job in jobs)
        return jobs[0].can_merge(other) and rows + len(other.tokens) <= self._rows_max

    def _join_generations(self) -> None:
        budget = PREFILL_TOKENS_MAX
        while budget > 0 and (texts := self._take_prompts()):
            budget -= sum(len(text.tokens) for text in texts)
            self._begin(texts)

    def _take_prompts(self) -> list[Generation]:
        """The first in the queue, and others whose prompts are read with its in one pass."""
        texts: list[Generation] = []
        most = min(self._batch.prompts_at_once, self._streams_max - len(self._running))
        with self._changed:
            while len(texts) < most and (
                text := self._generations.take(partial(can_read_together, texts))
            ):
                texts.append(text)
        return texts

    def _begin(self, texts: list[Generation]) -> None:
        try:
            with timed(RequestKind.GENERATE):
                logits = self._batch.join([text.tokens for text in texts])
        except Exception as error:
            if len(texts) == 1:
                self._tell_failure(error, texts, 1)
                return
            for text in texts:  # the failure may be one's alone
                self._begin([text])
            return
        TOKENS.labels("prompt").inc(sum(len(text.tokens) for text in texts))
        self._running += texts
        self._advance(texts, logits)

    def _step(self) -> None:
        """One token for every text; those that came to their end leave the batch."""
        self._leave()
        if not self._running:
            self._streams_max = self._most_streams
            return
        try:
            with timed(RequestKind.GENERATE):
                logits = self._batch.step([text.tokens[-1] for text in self._running])
        except Exception as error:
            self._abandon(error)
            return
        self._advance(self._running, logits)

    def _advance(self, texts: list[Generation], logits: Floats) -> None:
        for text, row in zip(texts, logits, strict=True):
            try:
                text.choose(row)
            # Whatever is wrong with one text must not reach the others of its batch.
            except Exception:
                log.exception("a token could not be chosen")
                text.refuse(EngineFailed("the next token could not be chosen; try again"))
        TOKENS.labels("generated").inc(len(texts))

    def _leave(self) -> None:
        now = time.monotonic()
        for text in self._running:
            if text.finish_reason is None and text.deadline_seconds <= now:
                text.finish_reason = FinishReason.TIMEOUT
        staying = [
            row
            for row, text in enumerate(self._running)
            if text.finish_reason is None and not text.gone
        ]
        if len(staying) == len(self._running):
            return
        for text in self._running:
            if text.finish_reason is not None:
                text.end(text.finish_reason)
        self._running = [self._running[row] for row in staying]
        try:
            self._batch.keep(staying)
        except Exception as error:
            self._abandon(error)
        STREAMS.labels("steps").set(len(self._running))

    def _abandon(self, error: Exception) -> None:
        """After a failed step nobody's past can be trusted: tell all, and begin anew."""
        self._streams_max = max(len(self._running) // 2, 1)
        self._tell_failure(error, self._running, len(self._running))
        self._running = []
        self._batch = self._engine.start_batch()

    def _refuse_rest(self) -> None:
        stopped = Unavailable("this Server is stopping; ask another")
        with self._changed:
            self._forwards.refuse_all(stopped)
            self._generations.refuse_all(stopped)
        for text in self._running:
            text.refuse(stopped)


def can_read_together(texts: Sequence[Generation], other: Generation) -> bool:
    """Whether one more prompt fits a pass: each row of it is as long as the longest."""
    longest = max(len(text.tokens) for text in (*texts, other))
    return not texts or (len(texts) + 1) * longest <= PREFILL_TOKENS_MAX


def make_refusal(error: Exception) -> tuple[Refusal, bool]:
    """What the callers of a failed pass are told, and whether it failed for want of memory.

    torch says so by its own error on a GPU, and in the words of a plain one elsewhere.
    """
    words = str(error).lower()
    if isinstance(error, MemoryError) or any(sign in words for sign in OUT_OF_MEMORY_SIGNS):
        return OutOfMemory("too little memory for this now; ask for less, or again later"), True
    return EngineFailed("the model failed on this request; try again"), False


@contextmanager
def timed(kind: RequestKind) -> Iterator[None]:
    with FORWARD.labels(kind.value).time():
        yield
