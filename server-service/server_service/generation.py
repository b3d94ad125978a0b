"""One text on its way: from logits to tokens, to text, to its end."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from server_service.domain.sampling import Choice, Sampling, choose_token
from server_service.domain.steering import Floats, Steering, steer
from server_service.domain.text import Decode, StopFilter, TextStream
from server_service.grammars import END_TOKEN, Grammar, Grammars
from server_service.schemas import FinishReason, GenerateRequest
from taonet.kit.errors import Refusal

CONTEXT_TOKENS = 4
"""Of the prompt's end, decoded along so that the first words join it rightly."""


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

    def refuse(self, refusal: Refusal) -> None:
        self.emit(refusal)


def make_job(
    request: GenerateRequest,
    prompt: list[int],
    grammars: Grammars,
    *,
    stake_rao: int,
    deadline_seconds: float,
    emit: Emit,
) -> GenerateJob:
    """Return the job that a request asks for; raises UnusableSchema."""
    schema = request.json_schema
    return GenerateJob(
        prompt=prompt,
        new_tokens=request.max_new_tokens,
        sampling=Sampling(request.temperature, request.top_p, request.top_k),
        seed=request.seed,
        stops=request.stop,
        top_logprobs=request.logprobs,
        stake_rao=stake_rao,
        deadline_seconds=deadline_seconds,
        emit=emit,
        steering=Steering(request.frequency_penalty, request.presence_penalty, request.logit_bias),
        grammar=None if schema is None else grammars.compile(schema),
    )


class Generation:
    """A job that has begun."""

    def __init__(self, job: GenerateJob, decode: Decode, end_tokens: frozenset[int]) -> None:
        self.job = job
        self._decode = decode
        # A text that must follow a schema ends by the network's end, whatever the model's is.
        self._end_tokens = end_tokens | ({END_TOKEN} if job.grammar else set())
        self._stream = TextStream(decode, job.prompt[-CONTEXT_TOKENS:])
        self._stops = StopFilter(job.stops)
        self._random = np.random.default_rng(job.seed)
        self._written: Counter[int] = Counter()
        self.produced = 0
        self.last_token = -1
        self.finish_reason: FinishReason | None = None

    def advance(self, logits: Floats) -> Piece:
        """Choose the next token from its logits."""
        job = self.job
        draw = float(self._random.random())
        choice = choose_token(
            logits, job.sampling, draw, job.top_logprobs, steered=self._steer(logits)
        )
        self._accept(choice.token)
        self.produced += 1
        self.last_token = choice.token
        text = self._read(choice.token)
        self.finish_reason = self._find_end(choice.token)
        if self.finish_reason is not None and not self._stops.stopped:
            text += self._stops.flush()
        return Piece(choice.token, text, choice.logprob, self._name_top(choice))

    def summarise(self, reason: FinishReason) -> Finish:
        return Finish(reason, len(self.job.prompt), self.produced)

    def _steer(self, logits: Floats) -> Floats:
        steered = steer(logits, self.job.steering, self._written)
        return steered if self.job.grammar is None else self.job.grammar.restrict(steered)

    def _accept(self, token: int) -> None:
        if self.job.steering.active:
            self._written[token] += 1
        if self.job.grammar is not None:
            accepted = self.job.grammar.accept(token)
            assert accepted, f"token {token} was drawn against the schema"

    def _read(self, token: int) -> str:
        return "" if token in self._end_tokens else self._stops.push(self._stream.push(token))

    def _find_end(self, token: int) -> FinishReason | None:
        if token in self._end_tokens or self._stops.stopped:
            return FinishReason.STOP
        return FinishReason.LENGTH if self.produced >= self.job.new_tokens else None

    def _name_top(self, choice: Choice) -> tuple[Top, ...]:
        return tuple(Top(token, self._decode([token]), logprob) for token, logprob in choice.top)
