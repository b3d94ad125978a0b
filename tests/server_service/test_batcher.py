"""The shared batches: who is served first, who is turned away, and what an accident costs."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError

import numpy as np
import pytest
from tests.server_service.serving import wait_until

from server_service.batcher import PREFILL_TOKENS_MAX, Batcher
from server_service.domain.sampling import Sampling
from server_service.engine import DecodeBatch, Floats, ModelFacts, Tokens
from server_service.forwarding import ForwardJob
from server_service.generation import Finish, GenerateJob, Generation, Piece
from server_service.schemas import FinishReason, RequestKind
from server_service.waiting import QueueFull
from taonet.kit.errors import Refusal

VOCABULARY = 16
LONG = 60.0


class GatedEngine:
    """An engine that computes only when the test lets it, and says what it was given."""

    facts = ModelFacts(
        name="gated",
        parameters=0,
        vocabulary_size=VOCABULARY,
        context_length=1000,
        width=4,
        end_tokens=frozenset(),
    )

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.arrived = threading.Semaphore(0)
        self.batches: list[list[int]] = []
        self.joined: list[int] = []
        self.prompts_at_once = 1
        self.unreadable: list[int] = []
        self.failing = False
        self.crowded = False
        self.failure: Exception = RuntimeError("a broken weight")

    def next_logits(self, tokens: Tokens) -> Floats:
        self.wait(tokens[:, 0].tolist())
        return np.zeros((len(tokens), VOCABULARY), np.float32)

    def every_logits(self, tokens: Tokens) -> Floats:
        return np.zeros((*tokens.shape, VOCABULARY), np.float32)

    def hidden_states(self, tokens: Tokens) -> Floats:
        return np.zeros((*tokens.shape, 4), np.float32)

    def start_batch(self) -> DecodeBatch:
        return GatedBatch(self)

    def wait(self, first_tokens: list[int]) -> None:
        self.batches.append(first_tokens)
        self.arrived.release()
        assert self.gate.acquire(timeout=10)
        if self.failing:
            raise self.failure


class GatedBatch:
    def __init__(self, engine: GatedEngine) -> None:
        self.engine = engine
        self.rows = 0

    @property
    def prompts_at_once(self) -> int:
        return self.engine.prompts_at_once

    def join(self, prompts: Sequence[Sequence[int]]) -> Floats:
        self.engine.joined.append(len(prompts))
        if self.engine.unreadable in prompts:
            raise self.engine.failure
        self.rows += len(prompts)
        return np.zeros((len(prompts), VOCABULARY), np.float32)

    def step(self, tokens: Sequence[int]) -> Floats:
        assert len(tokens) == self.rows
        self.engine.wait(list(tokens))
        return np.zeros((len(tokens), VOCABULARY), np.float32)

    def keep(self, rows: Sequence[int]) -> None:
        if self.engine.crowded:
            raise self.engine.failure
        self.rows = len(rows)


@pytest.fixture
def engine() -> GatedEngine:
    return GatedEngine()


@pytest.fixture
def batcher(engine: GatedEngine) -> Iterator[Batcher]:
    batcher = Batcher(engine, queue_size=3)
    batcher.start()
    yield batcher
    engine.gate.release(1000)
    batcher.stop()
    assert not batcher.alive


def ask(
    batcher: Batcher, token: int, stake_rao: int = 0, length: int = 4, seconds: float = LONG
) -> ForwardJob:
    tokens = np.full((1, length), token)
    job = ForwardJob(RequestKind.NEXT, tokens, 2, stake_rao, time.monotonic() + seconds)
    batcher.submit_forward(job)
    return job


def occupy(batcher: Batcher, engine: GatedEngine) -> ForwardJob:
    """A request that is being computed, so that the next ones wait."""
    job = ask(batcher, 0, length=1)
    assert engine.arrived.acquire(timeout=10)
    return job


def test_requests_that_wait_share_the_next_pass(batcher: Batcher, engine: GatedEngine) -> None:
    occupy(batcher, engine)
    jobs = [ask(batcher, token) for token in (1, 2)]
    other = ask(batcher, 3, length=5)
    engine.gate.release(3)
    for job in (*jobs, other):
        assert job.future.result(10)["probabilities"].shape == (1, 2)
    assert engine.batches == [[0], [1, 2], [3]]


def test_more_stake_goes_first(batcher: Batcher, engine: GatedEngine) -> None:
    occupy(batcher, engine)
    low, high, equal = (
        ask(batcher, 1, stake_rao=5, length=2),
        ask(batcher, 2, stake_rao=9, length=3),
        ask(batcher, 3, stake_rao=5, length=4),
    )
    engine.gate.release(4)
    for job in (low, high, equal):
        job.future.result(10)
    assert engine.batches == [[0], [2], [1], [3]]


@pytest.mark.alone
def test_a_full_queue_refuses_at_once(batcher: Batcher, engine: GatedEngine) -> None:
    occupy(batcher, engine)
    for token in (1, 2, 3):
        ask(batcher, token)
    started = time.monotonic()
    with pytest.raises(QueueFull):
        ask(batcher, 4)
    assert time.monotonic() - started < 0.1


def test_who_waited_too_long_is_told(batcher: Batcher, engine: GatedEngine) -> None:
    occupy(batcher, engine)
    late = ask(batcher, 1, seconds=0.01)
    time.sleep(0.02)
    engine.gate.release(1)
    with pytest.raises(Refusal, match="before the request's turn") as caught:
        late.future.result(10)
    assert caught.value.code == "DeadlinePassed"
    assert engine.batches == [[0]]


def test_who_went_away_costs_nothing(batcher: Batcher, engine: GatedEngine) -> None:
    occupy(batcher, engine)
    gone = ask(batcher, 1)
    gone.future.cancel()
    stays = ask(batcher, 2)
    engine.gate.release(2)
    stays.future.result(10)
    with pytest.raises(CancelledError):
        gone.future.result(0)
    assert engine.batches == [[0], [2]]


def test_a_failed_pass_is_told_and_the_next_one_works(
    batcher: Batcher, engine: GatedEngine
) -> None:
    engine.failing = True
    job = occupy(batcher, engine)
    engine.gate.release(1)
    with pytest.raises(Refusal) as caught:
        job.future.result(10)
    assert caught.value.code == "EngineFailed"
    engine.failing = False
    engine.gate.release(1)
    assert ask(batcher, 1).future.result(10)


def test_out_of_memory_makes_the_next_passes_smaller(batcher: Batcher, engine: GatedEngine) -> None:
    engine.failure = RuntimeError("DefaultCPUAllocator: can't allocate memory")
    occupy(batcher, engine)
    together = [ask(batcher, token) for token in (1, 2, 3)]
    engine.gate.release(1)
    assert engine.arrived.acquire(timeout=10)
    engine.failing = True
    engine.gate.release(1)
    for job in together:
        with pytest.raises(Refusal) as caught:
            job.future.result(10)
        assert caught.value.code == "OutOfMemory"
    engine.failing = False
    occupy(batcher, engine)
    again = [ask(batcher, token) for token in (4, 5, 6)]
    engine.gate.release(10)
    for job in again:
        job.future.result(10)
    assert engine.batches == [[0], [1, 2, 3], [0], [4, 5], [6]]


class Reader:
    """What happened to one text."""

    def __init__(
        self,
        batcher: Batcher,
        new_tokens: int,
        seconds: float = LONG,
        prompt: Sequence[int] = (1, 2, 3),
    ) -> None:
        self.happened: list[Piece | Finish | Refusal] = []
        self.job = GenerateJob(
            prompt=list(prompt),
            new_tokens=new_tokens,
            sampling=Sampling(temperature=0, top_p=1, top_k=0),
            seed=None,
            stops=[],
            top_logprobs=0,
            stake_rao=0,
            deadline_seconds=time.monotonic() + seconds,
            emit=self.happened.append,
        )
        self.text = Generation(self.job, lambda ids: "x" * len(ids), frozenset())
        batcher.submit_generation(self.text)

    def wait(self, count: int) -> None:
        wait_until(lambda: len(self.happened) >= count, seconds=10)

    def finish_reason(self) -> FinishReason:
        wait_until(lambda: any(isinstance(it, Finish) for it in self.happened), seconds=10)
        last = self.happened[-1]
        assert isinstance(last, Finish)
        return last.finish_reason


def test_texts_join_and_leave_on_their_own(batcher: Batcher, engine: GatedEngine) -> None:
    long = Reader(batcher, 6)
    long.wait(1)
    short = Reader(batcher, 3)
    engine.gate.release(100)
    assert FinishReason.LENGTH is short.finish_reason()
    assert FinishReason.LENGTH is long.finish_reason()
    assert (len(short.happened), len(long.happened)) == (4, 7)


def test_prompts_that_wait_are_read_in_one_pass_as_far_as_they_fit(
    batcher: Batcher, engine: GatedEngine
) -> None:
    engine.prompts_at_once = 8
    occupy(batcher, engine)
    readers = [Reader(batcher, 2, prompt=[1] * length) for length in (3, PREFILL_TOKENS_MAX, 5)]
    engine.gate.release(100)
    for reader in readers:
        assert FinishReason.LENGTH is reader.finish_reason()
    assert engine.joined == [2, 1]


def test_a_prompt_that_cannot_be_read_does_not_harm_those_beside_it(
    batcher: Batcher, engine: GatedEngine
) -> None:
    engine.prompts_at_once, engine.unreadable = 8, [9, 9]
    occupy(batcher, engine)
    sound, broken, other = (Reader(batcher, 2, prompt=each) for each in ([1], [9, 9], [2]))
    engine.gate.release(100)
    assert FinishReason.LENGTH is sound.finish_reason()
    assert FinishReason.LENGTH is other.finish_reason()
    assert isinstance(broken.happened[-1], Refusal)
    assert engine.joined == [3, 1, 1, 1]


def test_a_text_whose_reader_left_is_not_written_on(batcher: Batcher, engine: GatedEngine) -> None:
    left, stays = Reader(batcher, 1000), Reader(batcher, 5)
    engine.gate.release(1)
    left.wait(2)
    left.job.gone = True
    engine.gate.release(100)
    stays.finish_reason()
    assert len(left.happened) <= 3


def test_a_text_ends_when_its_time_is_over(batcher: Batcher, engine: GatedEngine) -> None:
    reader = Reader(batcher, 1000, seconds=0.05)
    reader.wait(1)
    time.sleep(0.06)
    engine.gate.release(1)
    assert FinishReason.TIMEOUT is reader.finish_reason()


def test_a_failed_step_is_told_to_all_and_new_texts_are_written(
    batcher: Batcher, engine: GatedEngine
) -> None:
    engine.failing = True
    reader = Reader(batcher, 10)
    engine.gate.release(1)
    reader.wait(2)
    assert isinstance(reader.happened[1], Refusal)
    engine.failing = False
    engine.gate.release(100)
    assert FinishReason.LENGTH is Reader(batcher, 3).finish_reason()


def test_a_batch_that_none_can_leave_is_told_to_those_who_stay_and_new_texts_are_written(
    batcher: Batcher, engine: GatedEngine
) -> None:
    engine.crowded = True
    leaves, stays = Reader(batcher, 2), Reader(batcher, 10)
    engine.gate.release(100)
    assert FinishReason.LENGTH is leaves.finish_reason()
    wait_until(lambda: any(isinstance(it, Refusal) for it in stays.happened), seconds=10)
    engine.crowded = False
    assert FinishReason.LENGTH is Reader(batcher, 3).finish_reason()


def test_one_broken_text_does_not_end_the_others(batcher: Batcher, engine: GatedEngine) -> None:
    broken, sound = Reader(batcher, 10), Reader(batcher, 4)
    engine.gate.release()  # The first may have begun its step before the second joined.
    sound.wait(1)
    broken.text._chooser = None  # type: ignore[assignment]  # stands for any mistake of ours
    engine.gate.release(100)
    assert FinishReason.LENGTH is sound.finish_reason()
    assert isinstance(broken.happened[-1], Refusal)


def test_those_who_wait_are_told_when_the_server_stops(engine: GatedEngine) -> None:
    batcher = Batcher(engine, queue_size=3)
    batcher.start()
    occupy(batcher, engine)
    waiting = ask(batcher, 1)
    threading.Timer(0.05, engine.gate.release).start()
    batcher.stop()
    with pytest.raises(Refusal, match="stopping"):
        waiting.future.result(10)
