"""One call from its reservation to its bill, whatever is asked.

Money is set aside before anybody is asked. A Server that fails before it delivered anything is
replaced unseen; what was delivered is what is paid, however the call ends.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from psycopg import Connection
from psycopg_pool import ConnectionPool
from starlette.concurrency import run_in_threadpool
from tokenizers import Tokenizer

from server_service.client import RequestKind, ServerClient, ServerFailure
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
from validator_service.ledger.key_repository import Caller
from validator_service.ledger.repository import Settlement
from validator_service.metrics import (
    FIRST_TOKEN_SECONDS,
    INFERENCE_CALLS,
    INFERENCE_TOKENS,
    REVENUE_RAO,
)

CALLS_MAX = 64
"""Calls under way at once; above it the gateway says so."""
ATTEMPTS_MAX = 4
"""Servers asked for one call."""

log = get_logger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Order:
    """Who asks whom, by which name."""

    request_id: str
    caller: Caller
    model: str


@dataclass
class Gateway:
    """What all calls share."""

    pool: ConnectionPool
    directory: Directory
    client: ServerClient
    tokenizer: Tokenizer
    token_bytes: list[bytes]
    price: Price
    take_percent: int
    under_way: int = 0
    settling: set["asyncio.Task[None]"] = field(default_factory=set)


class Call(ABC):
    """A call under way: `start`, then whatever its kind delivers, and `finish` in any case."""

    kind: RequestKind

    def __init__(self, gateway: Gateway, order: Order, prompt_count: int) -> None:
        self.gateway = gateway
        self.order = order
        self.prompt_count = prompt_count
        """Tokens of prompts that are paid for."""
        self.completion_tokens = 0
        self.cost_rao = 0
        self.server: KnownServer | None = None
        self.outcome = "disconnected"
        self._finished = False

    async def start(self) -> None:
        """Reserve, and wait until somebody delivers; or free all again and say why."""
        if self.gateway.under_way >= CALLS_MAX:
            raise TooManyCalls(f"{CALLS_MAX} calls are under way; try again in a second")
        self.gateway.under_way += 1
        try:
            servers = await self._candidates()
            await self._reserve(self.tokens_max(servers))
            await self._ask_in_turn(servers)
        except BaseException:
            self.outcome = "refused"
            await self.finish()
            raise

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

    @abstractmethod
    def longest_prompt(self) -> int:
        """Return how many tokens a Server must be able to read at once."""

    @abstractmethod
    def room(self, server: KnownServer) -> int:
        """Return how many tokens a Server can add to the prompt; below 0 it can't read that."""

    @abstractmethod
    def tokens_max(self, servers: list[KnownServer]) -> int:
        """Return the most tokens that the answer can have, of all these Servers."""

    @abstractmethod
    async def ask(self, server: KnownServer) -> None:
        """Wait for what the Server delivers first; raises where it fails, and leaves nothing."""

    @abstractmethod
    async def stop(self) -> None:
        """Let go of the Server."""

    @abstractmethod
    def count_delivered(self) -> int | None:
        """Return how many tokens of answer were delivered; None where nothing is to be paid."""

    def note_failure(self) -> None:
        assert self.server is not None
        self.gateway.directory.note_failure(self.server)

    def note_success(self) -> None:
        assert self.server is not None
        self.outcome = "answered"
        self.gateway.directory.note_success(self.server)

    async def _candidates(self) -> list[KnownServer]:
        servers = await self.gateway.directory.find(self.order.model)
        serving = [server for server in servers if self.kind in server.info.requests]
        if not serving:
            raise NoServerAvailable(f"no Server of {self.order.model} serves {self.kind} now")
        able = [server for server in serving if self.room(server) >= 0]
        if not able:
            longest = max(server.info.context_length for server in serving)
            raise ContextLengthExceeded(self.longest_prompt(), longest)
        return able[:ATTEMPTS_MAX]

    async def _reserve(self, tokens_max: int) -> None:
        order = self.order
        amount = calculate_cost_rao(self.gateway.price, self.prompt_count, tokens_max)
        await self._book(
            lambda conn: operations.reserve(
                conn, order.request_id, order.caller, order.model, amount
            )
        )

    async def _ask_in_turn(self, servers: list[KnownServer]) -> None:
        reasons = []
        for server in servers:
            started = time.monotonic()
            self.server = server
            try:
                await self.ask(server)
            except (ServerFailure, TimeoutError) as failure:
                self.note_failure()
                reasons.append(f"server/{server.uid}: {getattr(failure, 'code', 'timeout')}")
                log.warning("asking the next Server", uid=server.uid, reason=str(failure))
                continue
            FIRST_TOKEN_SECONDS.observe(time.monotonic() - started)
            return
        raise NoServerAvailable(f"no Server answered ({', '.join(reasons)}); nothing was charged")

    async def _settle(self) -> None:
        await self.stop()
        INFERENCE_CALLS.labels(self.outcome).inc()
        delivered = self.count_delivered()
        if delivered is None:
            await self._book(lambda conn: repository.release(conn, self.order.request_id))
            return
        self.completion_tokens = delivered
        self.cost_rao = calculate_cost_rao(self.gateway.price, self.prompt_count, delivered)
        settlement = self._settlement()
        if not await self._book(lambda conn: operations.settle(conn, settlement)):
            log.error("a call was not settled: it had expired", call=self.order.request_id)
            return
        INFERENCE_TOKENS.labels("input").inc(self.prompt_count)
        INFERENCE_TOKENS.labels("output").inc(delivered)
        REVENUE_RAO.inc(self.cost_rao)

    def _settlement(self) -> Settlement:
        assert self.server is not None
        return Settlement(
            request_id=self.order.request_id,
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
