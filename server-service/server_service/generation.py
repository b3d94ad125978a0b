"""One text on its way: from logits to tokens, to text, to its end."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import Histogram

from server_service.choosing import Chooser, Reader
from server_service.domain.sampling import TEMPERATURE_MIN, Choice, Sampling
from server_service.domain.steering import Floats, Steering
from server_service.domain.text import Decode
from server_service.grammars import END_TOKEN, Grammar
from server_service.schemas import FinishReason
from taonet.kit.errors import Refusal
from taonet.kit.metrics import HTTP_BUCKETS

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
    steering: Steering = field(default_factory=Steering)
    grammar: Grammar | None = None
    """What the answer must follow."""
    arrived_seconds: float = field(default_factory=time.monotonic)
    gone: bool = False
    """Set by the owner when nobody listens any more."""

    @property
    def is_plain(self) -> bool:
        """Whether each choice needs only the model's logits and chance of any kind.

        A seed asks for our own chance, `top_logprobs` for all logits of every step, and steering
        or a schema changes them.
        """
        chance_matters = self.sampling.temperature >= TEMPERATURE_MIN
        seeded = chance_matters and self.seed is not None
        steered = self.steering.active or self.grammar is not None
        return not (self.top_logprobs or seeded or steered)


class Generation:
    """A text: its job, how far it is, and what reads its tokens."""

    def __init__(self, job: GenerateJob, decode: Decode, end_tokens: frozenset[int]) -> None:
        self.job = job
        self._decode = decode
        # A text that must follow a schema ends by the network's end, whatever the model's is.
        ends = end_tokens | {END_TOKEN} if job.grammar else end_tokens
        self._reader = Reader(decode, job.prompt, job.stops, ends, job.new_tokens)
        self._chooser = Chooser(job.sampling, job.seed, job.top_logprobs, job.steering, job.grammar)
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
        choice = self._chooser.choose(logits)
        self.accept(choice.token, choice.logprob, self._name_top(choice))

    def accept(self, token: int, logprob: float, top: tuple[Top, ...] = ()) -> None:
        """Add a chosen token, tell it, and find out whether the text ends with it."""
        if self.produced == 0:
            FIRST_TOKEN.observe(time.monotonic() - self.job.arrived_seconds)
        self.tokens.append(token)
        text = self._reader.read(token)
        self.finish_reason = self._reader.finish_reason
        self.job.emit(Piece(token, text, logprob, top))

    def _name_top(self, choice: Choice) -> tuple[Top, ...]:
        return tuple(Top(token, self._decode([token]), logprob) for token, logprob in choice.top)
