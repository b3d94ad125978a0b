"""One call from its reservation to its bill.

Money is set aside before anybody is asked. Until the first token a failure moves on to the next
Server; from then on the Server is kept, and what was delivered is what is paid, however it ends.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from psycopg import Connection
from psycopg_pool import ConnectionPool
from starlette.concurrency import run_in_threadpool
from tokenizers import Tokenizer

from server_service.client import (
    GenerateEnd,
    GeneratePiece,
    GenerateRequest,
    ServerClient,
    ServerFailure,
)
from taonet.kit.db import begin
from taonet.kit.logging import get_logger
from validator_service.domain.payouts import calculate_share_rao
from validator_service.domain.pricing import Price, calculate_cost_rao
from validator_service.gateway.directory import Directory, KnownServer
from validator_service.gateway.errors import (
    ContextLengthExceeded,
    NoServerAvailable,
    TooManyCalls,
)
from validator_service.ledger import operations, repository
from validator_service.ledger.repository import Settlement
from validator_service.metrics import (
    FIRST_TOKEN_SECONDS,
    INFERENCE_CALLS,
    INFERENCE_TOKENS,
    REVENUE_RAO,
)

CALLS_MAX = 64
"""Calls under way at once; above it the gateway says so."""
ANSWER_SECONDS = 120.0
"""The longest answer."""
FIRST_PIECE_SECONDS = 15.0
"""How long a Server may take before the next one is asked."""
ATTEMPTS_MAX = 4
"""Servers asked for one call."""
DEFAULT_TOKENS = 256
"""Of an answer, where the consumer names no limit."""

log = get_logger(__name__)

Piece = GeneratePiece | GenerateEnd
Result = TypeVar("Result")


@dataclass(frozen=True)
class Question:
    """What a consumer asks, as every Server understands it."""

    request_id: str
    account: str
    model: str
    prompt_tokens: list[int]
    tokens_max: int | None
    temperature: float
    top_p: float
    seed: int | None
    stops: list[str]


@dataclass
class Gateway:
    """What all calls share."""

    pool: ConnectionPool
    directory: Directory
    client: ServerClient
    tokenizer: Tokenizer
    price: Price
    take_percent: int
    under_way: int = 0
    settling: set["asyncio.Task[None]"] = field(default_factory=set)


class Answer:
    """A call under way. `start`, then `texts`, and `finish` whatever happens."""

    def __init__(self, gateway: Gateway, question: Question) -> None:
        self.gateway = gateway
        self.question = question
        self.server: KnownServer | None = None
        self.finish_reason = "stop"
        self.cost_rao = 0
        self.completion_tokens = 0
        self._first: Piece | None = None
        self._pieces: AsyncGenerator[Piece, None] | None = None
        self._delivered: list[str] = []
        self._delivered_pieces = 0
        self._outcome = "disconnected"
        self._finished = False

    @property
    def prompt_count(self) -> int:
        return len(self.question.prompt_tokens)

    async def start(self) -> None:
        """Reserve, and wait for somebody's first token; or free all again and say why."""
        if self.gateway.under_way >= CALLS_MAX:
            raise TooManyCalls(f"{CALLS_MAX} calls are under way; try again in a second")
        self.gateway.under_way += 1
        try:
            servers, tokens_max = await self._candidates()
            await self._reserve(tokens_max)
            await self._ask_in_turn(servers, tokens_max)
        except BaseException:
            self._outcome = "refused"
            await self.finish()
            raise

    async def texts(self) -> AsyncIterator[str]:
        """Yield the text as it comes; raises ServerFailure where it breaks off."""
        assert self._pieces is not None
        piece: Piece | None = self._first
        try:
            while isinstance(piece, GeneratePiece):
                self._delivered.append(piece.text)
                self._delivered_pieces += 1
                yield piece.text
                piece = await anext(self._pieces, None)
        except ServerFailure:
            self._outcome = "broken"
            self._note_failure()
            raise
        assert isinstance(piece, GenerateEnd)
        self.finish_reason = piece.finish_reason.value
        self._outcome = "answered"
        assert self.server is not None
        self.gateway.directory.note_success(self.server)

    def count(self) -> int:
        """Return the tokens delivered so far, by our own count: a Server is paid by it."""
        text = "".join(self._delivered)
        return min(self._delivered_pieces, len(self.gateway.tokenizer.encode(text).ids))

    async def finish(self) -> None:
        """Stop the Server, take what is owed, free the rest; also when the caller is gone."""
        if self._finished:
            return
        self._finished = True
        self.gateway.under_way -= 1
        task = asyncio.create_task(self._settle())
        # Held, and shielded: a cancelled request must still be paid for.
        self.gateway.settling.add(task)
        task.add_done_callback(self.gateway.settling.discard)
        await asyncio.shield(task)

    async def _candidates(self) -> tuple[list[KnownServer], int]:
        servers = await self.gateway.directory.find(self.question.model)
        able = [s for s in servers if s.info.context_length > self.prompt_count]
        if not able:
            longest = max(s.info.context_length for s in servers)
            raise ContextLengthExceeded(self.prompt_count, longest)
        wanted = self.question.tokens_max or DEFAULT_TOKENS
        return able[:ATTEMPTS_MAX], min(wanted, max(room(s, self.prompt_count) for s in able))

    async def _reserve(self, tokens_max: int) -> None:
        question = self.question
        amount = calculate_cost_rao(self.gateway.price, self.prompt_count, tokens_max)
        await self._book(
            lambda conn: operations.reserve(
                conn, question.request_id, question.account, question.model, amount
            )
        )

    async def _ask_in_turn(self, servers: list[KnownServer], tokens_max: int) -> None:
        reasons = []
        for server in servers:
            started = time.monotonic()
            try:
                await self._ask(server, min(tokens_max, room(server, self.prompt_count)))
            except (ServerFailure, TimeoutError) as failure:
                self._note_failure()
                reasons.append(f"server/{server.uid}: {getattr(failure, 'code', 'timeout')}")
                log.warning("asking the next Server", uid=server.uid, reason=str(failure))
                continue
            FIRST_TOKEN_SECONDS.observe(time.monotonic() - started)
            return
        raise NoServerAvailable(f"no Server answered ({', '.join(reasons)}); nothing was charged")

    async def _ask(self, server: KnownServer, tokens_max: int) -> None:
        question = self.question
        self.server = server
        pieces = self.gateway.client.generate(
            server.address,
            GenerateRequest(
                prompt_tokens=question.prompt_tokens,
                max_new_tokens=tokens_max,
                temperature=question.temperature,
                top_p=question.top_p,
                seed=question.seed,
                stop=question.stops,
            ),
            timeout_seconds=ANSWER_SECONDS,
        )
        assert isinstance(pieces, AsyncGenerator)
        try:
            async with asyncio.timeout(FIRST_PIECE_SECONDS):
                self._first = await anext(pieces)
        except BaseException:
            await pieces.aclose()
            raise
        self._pieces = pieces

    def _note_failure(self) -> None:
        assert self.server is not None
        self.gateway.directory.note_failure(self.server)

    async def _settle(self) -> None:
        if self._pieces is not None:
            await self._pieces.aclose()
        INFERENCE_CALLS.labels(self._outcome).inc()
        if self._pieces is None or (self._outcome != "answered" and not self._delivered_pieces):
            await self._book(lambda conn: repository.release(conn, self.question.request_id))
            return
        self.completion_tokens = self.count()
        self.cost_rao = calculate_cost_rao(
            self.gateway.price, self.prompt_count, self.completion_tokens
        )
        settlement = self._settlement()
        if not await self._book(lambda conn: operations.settle(conn, settlement)):
            log.error("a call was not settled: it had expired", call=self.question.request_id)
            return
        INFERENCE_TOKENS.labels("input").inc(self.prompt_count)
        INFERENCE_TOKENS.labels("output").inc(self.completion_tokens)
        REVENUE_RAO.inc(self.cost_rao)

    def _settlement(self) -> Settlement:
        assert self.server is not None
        return Settlement(
            request_id=self.question.request_id,
            prompt_tokens=self.prompt_count,
            completion_tokens=self.completion_tokens,
            cost_rao=self.cost_rao,
            server_uid=self.server.uid,
            server_hotkey=self.server.hotkey,
            server_coldkey=self.server.coldkey,
            share_rao=calculate_share_rao(self.cost_rao, self.gateway.take_percent),
        )

    async def _book(self, work: Callable[[Connection], Result]) -> Result:
        """Run one transaction of the books beside the event loop."""

        def transaction() -> Result:
            with begin(self.gateway.pool) as conn:
                return work(conn)

        return await run_in_threadpool(transaction)


def room(server: KnownServer, prompt_tokens: int) -> int:
    """Return how many tokens a Server can answer with."""
    return min(server.info.context_length - prompt_tokens, server.info.limits.new_tokens)
