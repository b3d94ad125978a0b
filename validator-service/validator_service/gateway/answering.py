"""A call for text: one or several continuations of a prompt, from one Server, at once.

Each continuation is read by a task of its own from its first byte to its last; what they bring
goes through one queue to whoever reads the answer.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field

from server_service.client import (
    GenerateEnd,
    GeneratePiece,
    GenerateRequest,
    RequestKind,
    ServerFailure,
)
from validator_service.gateway.calls import Call, Gateway, Order
from validator_service.gateway.directory import KnownServer

ANSWER_SECONDS = 120.0
"""The longest answer."""
FIRST_PIECE_SECONDS = 15.0
"""How long a Server may take before the next one is asked."""
DEFAULT_TOKENS = 256
"""Of an answer, where the consumer names no limit."""
EVENTS_MAX = 64
"""Tokens that wait for a slow reader; beyond them the Server waits too."""
SEED_MODULUS = 2**63


@dataclass(frozen=True)
class Question:
    """What a consumer asks, as every Server understands it."""

    prompt_tokens: list[int]
    tokens_max: int | None
    temperature: float
    top_p: float
    seed: int | None
    stops: list[str]
    choices: int = 1
    """How many continuations."""
    top_logprobs: int = 0
    """How many of the likeliest tokens to tell beside each chosen one."""


@dataclass
class Delivered:
    """What one continuation has brought to the reader."""

    texts: list[str] = field(default_factory=list)
    pieces: int = 0
    finish_reason: str | None = None


@dataclass(frozen=True)
class Event:
    """What came for one of the continuations."""

    choice: int
    piece: GeneratePiece | GenerateEnd | ServerFailure


class Answer(Call):
    """Read it through `pieces`."""

    kind = RequestKind.GENERATE

    def __init__(self, gateway: Gateway, order: Order, question: Question) -> None:
        super().__init__(gateway, order, len(question.prompt_tokens))
        self.question = question
        self.choices = [Delivered() for _ in range(question.choices)]
        self._events: asyncio.Queue[Event] = asyncio.Queue(EVENTS_MAX)
        self._first: list[Event] = []
        self._readers: list[asyncio.Task[None]] = []
        self._begun = False

    async def pieces(self) -> AsyncIterator[tuple[int, GeneratePiece]]:
        """Yield each token with its choice, as it comes; raises ServerFailure where it breaks."""
        running = len(self.choices)
        while running:
            event = self._first.pop(0) if self._first else await self._events.get()
            choice = self.choices[event.choice]
            if isinstance(event.piece, ServerFailure):
                self.outcome = "broken"
                self.note_failure()
                raise event.piece
            if isinstance(event.piece, GenerateEnd):
                choice.finish_reason = event.piece.finish_reason.value
                running -= 1
                continue
            choice.texts.append(event.piece.text)
            choice.pieces += 1
            yield event.choice, event.piece
        self.note_success()

    def longest_prompt(self) -> int:
        return self.prompt_count

    def room(self, server: KnownServer) -> int:
        """At least one token must fit, else the Server can't answer."""
        free = min(server.info.context_length - self.prompt_count, server.info.limits.new_tokens)
        return free if free > 0 else -1

    def tokens_max(self, servers: list[KnownServer]) -> int:
        wanted = self.question.tokens_max or DEFAULT_TOKENS
        return len(self.choices) * min(wanted, max(self.room(server) for server in servers))

    async def ask(self, server: KnownServer) -> None:
        self._events = asyncio.Queue(EVENTS_MAX)
        self._first = []
        self._readers = [
            asyncio.create_task(self._read(server, choice, self._events))
            for choice in range(len(self.choices))
        ]
        try:
            async with asyncio.timeout(FIRST_PIECE_SECONDS):
                await self._wait_for_all()
        except BaseException:
            await self.stop()
            raise
        self._begun = True

    async def stop(self) -> None:
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    def count_delivered(self) -> int | None:
        """By our own count: a Server is paid by it. Nothing where no token came through."""
        if not self._begun or (
            self.outcome != "answered" and not any(choice.pieces for choice in self.choices)
        ):
            return None
        encode = self.gateway.tokenizer.encode
        return sum(
            min(choice.pieces, len(encode("".join(choice.texts)).ids)) for choice in self.choices
        )

    async def _wait_for_all(self) -> None:
        """Until every continuation has begun, nothing is shown, and another Server can do it."""
        silent = set(range(len(self.choices)))
        while silent:
            event = await self._events.get()
            if isinstance(event.piece, ServerFailure):
                raise event.piece
            self._first.append(event)
            silent.discard(event.choice)

    async def _read(self, server: KnownServer, choice: int, events: asyncio.Queue[Event]) -> None:
        pieces = self.gateway.client.generate(
            server.address, self._request(server, choice), timeout_seconds=ANSWER_SECONDS
        )
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    await events.put(Event(choice, piece))
        except ServerFailure as failure:
            await events.put(Event(choice, failure))

    def _request(self, server: KnownServer, choice: int) -> GenerateRequest:
        question = self.question
        wanted = question.tokens_max or DEFAULT_TOKENS
        # The same seed would give the same text to each of them.
        seed = None if question.seed is None else (question.seed + choice) % SEED_MODULUS
        return GenerateRequest(
            prompt_tokens=question.prompt_tokens,
            max_new_tokens=min(wanted, self.room(server)),
            temperature=question.temperature,
            top_p=question.top_p,
            seed=seed,
            stop=question.stops,
            logprobs=question.top_logprobs,
        )
