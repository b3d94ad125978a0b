"""One text on its way: from logits to tokens, to text, to its end."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from prometheus_client import Histogram

from server_service.domain.sampling import TEMPERATURE_MIN, Choice, Sampling, choose_token
from server_service.domain.text import Decode, StopFilter, TextStream
from server_service.engine import Floats
from server_service.schemas import FinishReason
from taonet.kit.errors import Refusal
from taonet.kit.metrics import HTTP_BUCKETS

CONTEXT_TOKENS = 4
"""Of the prompt's end, decoded along so that the first words join it rightly."""
CHANCE = np.random.default_rng()
"""For texts without a seed."""

FIRST_TOKEN = Histogram(
    "taonet_server_first_token_seconds",
    "From a generation's arrival to its first token.",
    buckets=HTTP_BUCKETS,
)


@dataclass(frozen=True)
class Top:
    token: int
    text: str
    logprob: float


@dataclass(frozen=True)
class Piece:
    """One token, and the text that became certain with it."""

    token: int
    text: str
    logprob: float
    top: tuple[Top, ...]


@dataclass(frozen=True)
class Finish:
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int


Emit = Callable[[Piece | Finish | Refusal], None]
"""Takes what happened to its owner, who may live in another thread."""


@dataclass(eq=False)
class GenerateJob:
    """A wish for text: who waits for it, how long, and what was asked."""

    prompt: list[int]
    new_tokens: int
    sampling: Sampling
    seed: int | None
    stops: list[str]
    top_logprobs: int
    stake_rao: int
    deadline_seconds: float
    """On `time.monotonic`'s clock; the wait is part of it."""
    emit: Emit
    arrived_seconds: float = field(default_factory=time.monotonic)
    gone: bool = False
    """Set by the owner when nobody listens any more."""

    @property
    def is_plain(self) -> bool:
        """Whether each choice needs only the model's logits and chance of any kind.

        A seed asks for our own chance, and `top_logprobs` for all logits of every step.
        """
        chance_matters = self.sampling.temperature >= TEMPERATURE_MIN
        return not self.top_logprobs and not (chance_matters and self.seed is not None)


class Generation:
    """A text: its job, how far it is, and what reads its tokens."""

    def __init__(self, job: GenerateJob, decode: Decode, end_tokens: frozenset[int]) -> None:
        self.job = job
        self._decode = decode
        self._end_tokens = end_tokens
        self._stream = TextStream(decode, job.prompt[-CONTEXT_TOKENS:])
        self._stops = StopFilter(job.stops)
        self._random = np.random.default_rng(job.seed) if job.seed is not None else CHANCE
        self.tokens = list(job.prompt)
        """The prompt and what was produced."""
        self.finish_reason: FinishReason | None = None

    @property
    def stake_rao(self) -> int:
        return self.job.stake_rao

    @property
    def deadline_seconds(self) -> float:
        return self.job.deadline_seconds

    @property
    def gone(self) -> bool:
        return self.job.gone

    @property
    def produced(self) -> int:
        return len(self.tokens) - len(self.job.prompt)

    def refuse(self, refusal: Refusal) -> None:
        self.job.gone = True
        self.job.emit(refusal)

    def expire(self, refusal: Refusal) -> None:
        """Its time is over: before its first token that is a refusal, later an early end."""
        if self.produced:
            self.end(FinishReason.TIMEOUT)
        else:
            self.refuse(refusal)

    def end(self, reason: FinishReason) -> None:
        self.job.emit(Finish(reason, len(self.job.prompt), self.produced))

    def choose(self, logits: Floats) -> None:
        """Choose the next token from its logits, [V]."""
        job = self.job
        draw = float(self._random.random())
        choice = choose_token(logits, job.sampling, draw, job.top_logprobs)
        self.accept(choice.token, choice.logprob, self._name_top(choice))

    def accept(self, token: int, logprob: float, top: tuple[Top, ...] = ()) -> None:
        """Add a chosen token, tell it, and find out whether the text ends with it."""
        if self.produced == 0:
            FIRST_TOKEN.observe(time.monotonic() - self.job.arrived_seconds)
        self.tokens.append(token)
        text = self._read(token)
        self.finish_reason = self._find_end(token)
        if self.finish_reason is not None and not self._stops.stopped:
            text += self._stops.flush()
        self.job.emit(Piece(token, text, logprob, top))

    def _read(self, token: int) -> str:
        return "" if token in self._end_tokens else self._stops.push(self._stream.push(token))

    def _find_end(self, token: int) -> FinishReason | None:
        if token in self._end_tokens or self._stops.stopped:
            return FinishReason.STOP
        return FinishReason.LENGTH if self.produced >= self.job.new_tokens else None

    def _name_top(self, choice: Choice) -> tuple[Top, ...]:
        return tuple(Top(token, self._decode([token]), logprob) for token, logprob in choice.top)
