"""Threads that write texts by the fast writer, those that wait together in one batch.

A batch of CTranslate2 takes no newcomers. So whoever is alone starts alone and at once, those who
come while all lanes are taken share the next batch, and while anybody waits a batch gives way
after a quantum: its texts wait again, and are read anew with all they have, which costs a
fraction of writing them. So nobody waits longer than a quantum, nor for another's end.
"""

import threading
import time
from collections.abc import Sequence
from functools import partial

from server_service.batcher import QUEUE, STOP_SECONDS, STREAMS, TOKENS, make_refusal
from server_service.generation import Generation
from server_service.schemas import FinishReason
from server_service.waiting import Waiting
from server_service.writing import FastWriter
from taonet.kit.errors import Unavailable
from taonet.kit.logging import get_logger

ROWS_MAX = 32
"""Texts of one batch."""
QUANTUM_TOKENS = 64
"""What a batch writes before it gives way to those who wait."""
LENGTHS_APART_MAX = 32
"""Rows begin together after the shortest; the others' remaining tokens are read one by one."""

log = get_logger(__name__)


class Lanes:
    """`submit` may be called from any thread, and answers at once."""

    def __init__(
        self, writer: FastWriter, lanes: int, queue_size: int, quantum_tokens: int = QUANTUM_TOKENS
    ) -> None:
        self._writer = writer
        self._waiting: Waiting[Generation] = Waiting(queue_size)
        self._quantum_tokens = quantum_tokens
        self._rows_max = ROWS_MAX
        self._writing = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._run, name=f"lane-{number}", daemon=True)
            for number in range(lanes)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._waiting.refuse_all(Unavailable("this Server is stopping; ask another"))
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    @property
    def alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    @property
    def busy(self) -> bool:
        return bool(self._writing or self._waiting)

    def submit(self, text: Generation) -> None:
        with self._changed:
            self._waiting.put(text)
            self._changed.notify()

    def swap_writer(self, writer: FastWriter) -> None:
        """The batches that are being written end with the old one."""
        self._writer = writer

    def _run(self) -> None:
        while texts := self._gather():
            try:
                self._write(texts)
            # Whatever is wrong with one batch must not reach the next.
            except Exception as error:
                self._tell_failure(error, texts)
            self._return(texts)

    def _gather(self) -> list[Generation]:
        """The first that waits and those that can share its batch; none when it is time to stop."""
        with self._changed:
            while True:
                self._waiting.drop_late(time.monotonic())
                texts: list[Generation] = []
                while len(texts) < self._rows_max and (
                    text := self._waiting.take(partial(fits_beside, texts))
                ):
                    texts.append(text)
                self._writing += len(texts)
                self._tell_numbers()
                if texts or self._stopping:
                    return texts
                self._changed.wait()

    def _return(self, texts: Sequence[Generation]) -> None:
        with self._changed:
            self._writing -= len(texts)
            for text in texts:
                if text.finish_reason is None and not text.gone:
                    self._waiting.put_back(text)
            self._tell_numbers()

    def _write(self, texts: Sequence[Generation]) -> None:
        TOKENS.labels("prompt").inc(sum(len(text.tokens) for text in texts))
        begun = [text.produced for text in texts]

        def tell(row: int, token: int, logprob: float) -> bool:
            text = texts[row]
            try:
                return self._advance(text, token, logprob, text.produced - begun[row])
            except Exception as error:
                self._tell_failure(error, [text])
                return True

        longest = max(text.job.new_tokens - text.produced for text in texts)
        self._writer.write([text.tokens for text in texts], texts[0].job.sampling, longest, tell)
        written = sum(text.produced - before for text, before in zip(texts, begun, strict=True))
        assert written or all(text.gone for text in texts), "the writer wrote nothing"
        TOKENS.labels("generated").inc(written)

    def _advance(self, text: Generation, token: int, logprob: float, written: int) -> bool:
        """One token for one text; True where its batch is to go on without it."""
        if text.gone:
            return True
        text.accept(token, logprob)
        if text.finish_reason is None and text.deadline_seconds <= time.monotonic():
            text.finish_reason = FinishReason.TIMEOUT
        if text.finish_reason is not None:
            text.end(text.finish_reason)
            return True
        return written + 1 >= self._quantum_tokens and bool(self._waiting)

    def _tell_failure(self, error: Exception, texts: Sequence[Generation]) -> None:
        log.exception("a batch failed", texts=len(texts))
        refusal, short_of_memory = make_refusal(error)
        if short_of_memory:
            self._rows_max = max(len(texts) // 2, 1)
        for text in texts:
            if text.finish_reason is None and not text.gone:
                text.refuse(refusal)

    def _tell_numbers(self) -> None:
        QUEUE.labels("lanes").set(len(self._waiting))
        STREAMS.labels("lanes").set(self._writing)


def fits_beside(texts: Sequence[Generation], other: Generation) -> bool:
    """Whether one more text can share the batch of these: chosen alike, about as long."""
    if not texts:
        return True
    first = texts[0]
    return (
        other.job.sampling == first.job.sampling
        and abs(len(other.tokens) - len(first.tokens)) <= LENGTHS_APART_MAX
    )
