"""A call for text: continuations of one or several prompts, all by one Server, at once."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from tokenizers import Tokenizer

from server_service.client import (
    FinishReason,
    GenerateEnd,
    GeneratePiece,
    GenerateRequest,
    RequestKind,
    ServerFailure,
)
from validator_service.gateway.calls import Call
from validator_service.gateway.context import Gateway, Order
from validator_service.gateway.directory import KnownServer
from validator_service.gateway.writing import Text, Writing
from validator_service.metrics import FIRST_TOKEN_SECONDS, TOKEN_SECONDS

ANSWER_SECONDS = 120.0
"""The longest answer."""
FIRST_PIECE_SECONDS = 15.0
"""How long a Server may take before the next one is asked."""
HURRY_SECONDS = 0.05
"""Before the consumer's deadline a Server may have been told already that its time is over."""
DEFAULT_TOKENS = 256
"""Of an answer, where the consumer names no limit."""
SEED_MODULUS = 2**63


@dataclass(frozen=True)
class Question:
    """What a consumer asks, as every Server understands it."""

    prompts: list[list[int]]
    tokens_max: int | None
    temperature: float
    top_p: float
    seed: int | None
    stops: list[str]
    choices: int = 1
    """How many continuations of each prompt."""
    top_logprobs: int = 0
    """How many of the likeliest tokens to tell beside each chosen one."""
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: dict[int, float] = field(default_factory=dict)
    json_schema: dict[str, Any] | None = None
    whole: bool = False
    """Shown only when it is complete: then a Server that breaks in the middle is replaced too."""
    seconds_max: float = ANSWER_SECONDS
    """How long the consumer waits."""

    def request(self, number: int, room: int) -> GenerateRequest:
        """Return what a Server is asked for one of the continuations, numbered through."""
        # The same seed would give the same text to each of them.
        seed = None if self.seed is None else (self.seed + number % self.choices) % SEED_MODULUS
        return GenerateRequest(
            prompt_tokens=self.prompts[number // self.choices],
            max_new_tokens=min(self.tokens_max or DEFAULT_TOKENS, room),
            temperature=self.temperature,
            top_p=self.top_p,
            seed=seed,
            stop=self.stops,
            logprobs=self.top_logprobs,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
            logit_bias=self.logit_bias,
            json_schema=self.json_schema,
        )


@dataclass
class Delivered:
    """What one continuation has brought to the reader."""

    texts: list[str] = field(default_factory=list)
    pieces: int = 0
    finish_reason: str | None = None


class Answer(Call[Writing]):
    """Read it through `pieces`."""

    kind = RequestKind.GENERATE

    def __init__(self, gateway: Gateway, order: Order, question: Question) -> None:
        super().__init__(gateway, order, question.prompts)
        self.question = question
        self.choices = [Delivered() for _ in question.prompts for _ in range(question.choices)]
        self._deadline = time.monotonic() + question.seconds_max

    async def pieces(self) -> AsyncIterator[list[tuple[int, GeneratePiece]]]:
        """Yield tokens with their choices, those together that came together.

        Raises ServerFailure where the Server breaks off.
        """
        assert self.delivery is not None
        running = len(self.choices)
        while running:
            came: list[tuple[int, GeneratePiece]] = []
            failure: ServerFailure | None = None
            for event in await self.delivery.arrived():
                if isinstance(event.piece, ServerFailure):
                    failure = event.piece
                    break
                running -= self._note(event.choice, event.piece)
                if isinstance(event.piece, GeneratePiece):
                    came.append((event.choice, event.piece))
            if came:
                yield came
            if failure is not None:
                self.outcome = "broken"
                for server in self.answering():
                    self.note_failure(server)
                raise failure
        self.note_success()
        self._note_pace(self.delivery)

    def _note(self, number: int, piece: GeneratePiece | GenerateEnd) -> bool:
        """Keep what came for one choice; True where that was its end."""
        choice = self.choices[number]
        if isinstance(piece, GenerateEnd):
            choice.finish_reason = name_end(piece)
            return True
        choice.texts.append(piece.text)
        choice.pieces += 1
        return False

    def room(self, server: KnownServer) -> int:
        """At least one token must fit, else the Server can't answer."""
        longest = min(server.info.context_length, server.info.limits.sequence_length)
        free = min(longest - self.longest_prompt, server.info.limits.new_tokens)
        return free if free > 0 else -1

    def tokens_max(self, servers: list[KnownServer]) -> int:
        wanted = self.question.tokens_max or DEFAULT_TOKENS
        return len(self.choices) * min(wanted, max(self.room(server) for server in servers))

    async def ask(self, server: KnownServer) -> Writing:
        room = self.room(server)
        writing = Writing(
            [
                self.write(server, self.question.request(number, room))
                for number in range(len(self.choices))
            ]
        )
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(min(FIRST_PIECE_SECONDS, self.seconds_left())):
                await writing.begin()
            self.note_wait(server, writing.began_at - asked_at)
            if self.question.whole:
                await writing.complete()
        except BaseException:
            await writing.stop()
            raise
        return writing

    def write(self, server: KnownServer, request: GenerateRequest) -> Text:
        """Return one continuation; nothing is asked before it is read."""
        return self.gateway.client.generate(
            server.address, request, timeout_seconds=self.seconds_left()
        )

    def note_failure(self, server: KnownServer) -> None:
        """Not where the consumer waited less than an answer may take: else he who gives a
        Server's answers a millisecond would take all its customers, and pay nothing."""
        hurried = self.question.seconds_max < ANSWER_SECONDS
        if not (hurried and time.monotonic() >= self._deadline - HURRY_SECONDS):
            super().note_failure(server)

    def note_wait(self, server: KnownServer, seconds: float) -> None:
        FIRST_TOKEN_SECONDS.observe(seconds)
        self.gateway.directory.seen.note_wait(server.hotkey, seconds)

    def seconds_left(self) -> float:
        return max(self._deadline - time.monotonic(), 0.001)

    def count_delivered(self) -> int | None:
        """By our own count: a Server is paid by it. Nothing where no token came through."""
        if self.delivery is None or self.outcome == "refused":
            return None
        if self.outcome != "answered" and (
            self.question.whole or not any(choice.pieces for choice in self.choices)
        ):
            return None
        longest = max(map(len, self.gateway.token_bytes))
        return sum(
            count_tokens("".join(choice.texts), choice.pieces, self.gateway.tokenizer, longest)
            for choice in self.choices
        )

    def _note_pace(self, writing: Writing) -> None:
        later = sum(choice.pieces for choice in self.choices) - len(self.choices)
        if later > 0:
            pace = (time.monotonic() - writing.began_at) * len(self.choices) / later
            TOKEN_SECONDS.observe(pace)
            for server in self.answering():
                self.gateway.directory.seen.note_pace(server.hotkey, pace)


def count_tokens(text: str, pieces: int, tokenizer: Tokenizer, longest: int) -> int:
    """Return the tokens of a text, but no more than came; none is of more bytes than the longest.

    A Server may send what it likes, and to cut megabytes would hold up all other calls.
    """
    if len(text) >= pieces * longest:
        return pieces  # The text has as many tokens at least.
    return min(pieces, len(tokenizer.encode(text).ids))


def name_end(end: GenerateEnd) -> str:
    """Return OpenAI's word: what the clock cut off has been cut off, as by its length."""
    if end.finish_reason is FinishReason.TIMEOUT:
        return FinishReason.LENGTH.value
    return end.finish_reason.value
