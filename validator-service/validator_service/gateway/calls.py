"""One call from its reservation to its bill, whatever is asked.

Money is set aside before anybody is asked. A Server that fails before it delivered anything is
replaced unseen; what was delivered is what is paid, however the call ends.
"""

import asyncio
import hashlib
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

from server_service.client import RequestKind
from taonet.kit.db import begin
from taonet.kit.logging import get_logger
from validator_service.domain.pricing import Price, calculate_cost_rao
from validator_service.gateway.billing import divide, draw_sample, make_bill, write_in_the_end
from validator_service.gateway.context import Gateway, Order
from validator_service.gateway.directory import KnownServer
from validator_service.gateway.errors import (
    ContextLengthExceeded,
    NoServerAvailable,
    TooManyCalls,
)
from validator_service.gateway.racing import Delivery, Race
from validator_service.ledger import operations, repository
from validator_service.ledger.books import Movement
from validator_service.ledger.repository import Booking, Settlement
from validator_service.metrics import INFERENCE_CALLS, INFERENCE_TOKENS, REVENUE_RAO

CALLS_MAX = 256
"""Calls under way at once; above it the gateway says so."""
ATTEMPTS_MAX = 4
"""Servers asked for one call."""
BEGINNING_TOKENS = 64
"""Of a prompt, by which it is known again: so much of it must be the same."""
SETTLE_WAIT_SECONDS = 2.0
"""How long the consumer waits for the bill to be written; it is written later in any case."""

log = get_logger(__name__)

Given = TypeVar("Given", bound=Delivery)


class Call(ABC, Generic[Given]):
    """A call under way: `start`, then whatever its kind delivers, and `finish` in any case."""

    kind: RequestKind

    def __init__(self, gateway: Gateway, order: Order, prompts: list[list[int]]) -> None:
        self.gateway = gateway
        self.order = order
        self.prompts = prompts
        self.prompt_count = sum(len(prompt) for prompt in prompts)
        """Tokens of prompts that are paid for."""
        self.completion_tokens = 0
        self.cost_rao = 0
        self.server: KnownServer | None = None
        self.delivery: Given | None = None
        self.outcome = "disconnected"
        self._limited_tokens = 0
        self._finished = False

    @property
    def price(self) -> Price:
        return self.gateway.prices.of(self.order.model)

    @property
    def longest_prompt(self) -> int:
        """How many tokens a Server must be able to read at once."""
        return max(len(prompt) for prompt in self.prompts)

    async def start(self) -> None:
        """Reserve, and wait until somebody delivers; or free all again and say why."""
        if len(self.gateway.calls) >= CALLS_MAX:
            raise TooManyCalls(f"{CALLS_MAX} calls are under way; try again in a second")
        # Known before money is set aside, so that what is set aside is always known.
        self.gateway.calls.add(self.order.request_id)
        try:
            servers = await self._candidates()
            await self._reserve_and_race(servers)
        except BaseException:
            self.outcome = "refused"
            await self.finish()
            raise

    async def finish(self) -> None:
        """Stop the Server, take what is owed, free the rest; also when the caller is gone."""
        if self._finished:
            return
        self._finished = True
        task = asyncio.create_task(self._settle())
        # Held, and not awaited itself: a cancelled request must still be paid for.
        self.gateway.settling.add(task)
        task.add_done_callback(self.gateway.settling.discard)
        await asyncio.wait({task}, timeout=SETTLE_WAIT_SECONDS)

    @abstractmethod
    def room(self, server: KnownServer) -> int:
        """Return how many tokens a Server can add to the prompt; below 0 it can't read that."""

    @abstractmethod
    def tokens_max(self, servers: list[KnownServer]) -> int:
        """Return the most tokens that the answer can have, of all these Servers."""

    @abstractmethod
    async def ask(self, server: KnownServer) -> Given:
        """Wait for what the Server delivers first; raises where it fails, and leaves nothing."""

    @abstractmethod
    def count_delivered(self) -> int | None:
        """Return how many tokens of answer were delivered; None where nothing is to be paid."""

    def answering(self) -> list[KnownServer]:
        """Return who answered, and so is paid."""
        assert self.server is not None
        return [self.server]

    def note_failure(self, server: KnownServer) -> None:
        """Let a Server rest: it was asked for what it could have done."""
        self.gateway.directory.seen.note_failure(server.hotkey)

    def note_success(self) -> None:
        self.outcome = "answered"
        for server in self.answering():
            self.gateway.directory.seen.note_success(server.hotkey)
            self.gateway.directory.seen.note_reader(self._beginning(), server.hotkey)

    async def _candidates(self) -> list[KnownServer]:
        servers = await self.gateway.directory.find(self.order.model, self._beginning())
        serving = [server for server in servers if self.kind in server.info.requests]
        if not serving:
            raise NoServerAvailable(f"no Server of {self.order.model} serves {self.kind} now")
        able = [server for server in serving if self.room(server) >= 0]
        if not able:
            longest = max(server.info.context_length for server in serving)
            raise ContextLengthExceeded(self.longest_prompt, longest)
        return able[:ATTEMPTS_MAX]

    async def _reserve_and_race(self, servers: list[KnownServer]) -> None:
        """Who could pay a moment ago has his question asked while the books are written."""
        tokens_max, account = self.tokens_max(servers), self.order.caller.account
        # A question with a key may be one that was asked before: its reservation tells.
        if self.order.idempotency_key is not None or account not in self.gateway.solvent:
            await self._reserve(tokens_max)
            self.server, self.delivery = await self._race(servers)
            return
        racing = asyncio.ensure_future(self._race(servers))
        try:
            await self._reserve(tokens_max)
        except BaseException:
            self.gateway.solvent.discard(account)
            racing.cancel()
            (end,) = await asyncio.gather(racing, return_exceptions=True)
            if not isinstance(end, BaseException):
                self.server, self.delivery = end
            raise
        self.server, self.delivery = await racing

    def _beginning(self) -> str:
        beginning = self.prompts[0][:BEGINNING_TOKENS]
        return hashlib.blake2b(repr(beginning).encode(), digest_size=16).hexdigest()

    async def _reserve(self, tokens_max: int) -> None:
        caller = self.order.caller
        wanted = self.prompt_count + tokens_max
        self.gateway.limiter.take_tokens(caller.account, wanted)
        self._limited_tokens = wanted
        booking = Booking(
            request_id=self.order.request_id,
            account=caller.account,
            key_id=caller.key_id,
            model=self.order.model,
            amount_rao=calculate_cost_rao(self.price, self.prompt_count, tokens_max),
            idempotency_key=self.order.idempotency_key,
        )
        seconds = self.gateway.reservation_seconds
        if not await self._book(lambda conn: repository.reserve(conn, booking, seconds)):
            await run_in_threadpool(self._refuse, booking)
        self.gateway.note_solvent(caller.account)

    def _refuse(self, booking: Booking) -> None:
        with begin(self.gateway.pool) as conn:
            operations.refuse(conn, booking)

    async def _race(self, servers: list[KnownServer]) -> tuple[KnownServer, Given]:
        seen, hedging = self.gateway.directory.seen, self.gateway.hedging
        race = Race(seen, self.ask, self.note_failure, hedging)
        return await race.run(servers)

    async def _settle(self) -> None:
        try:
            if self.delivery is not None and self.server is not None:
                self.gateway.directory.seen.end(self.server.hotkey)
                await self.delivery.stop()
            INFERENCE_CALLS.labels(self.outcome).inc()
            await self._bill(self.count_delivered())
        finally:
            self.gateway.calls.remove(self.order.request_id)

    async def _bill(self, delivered: int | None) -> None:
        books, request_id = self.gateway.books, self.order.request_id
        spared = self._limited_tokens
        if delivered is None:
            await write_in_the_end(books, lambda conn: repository.release(conn, request_id))
        else:
            self.completion_tokens = delivered
            self.cost_rao = calculate_cost_rao(self.price, self.prompt_count, delivered)
            if not await write_in_the_end(books, make_bill(self._settlement(), self._sample())):
                log.error("a call was not settled: it had expired", call=request_id)
                return
            spared -= self.prompt_count + delivered
            INFERENCE_TOKENS.labels("input").inc(self.prompt_count)
            INFERENCE_TOKENS.labels("output").inc(delivered)
            REVENUE_RAO.inc(self.cost_rao)
        self.gateway.limiter.give_back_tokens(self.order.caller.account, spared)

    def _settlement(self) -> Settlement:
        first, *others = divide(self.cost_rao, self.answering(), self.gateway.take_percent)
        return Settlement(
            request_id=self.order.request_id,
            prompt_tokens=self.prompt_count,
            completion_tokens=self.completion_tokens,
            first=first,
            others=tuple(others),
        )

    def _sample(self) -> list[int] | None:
        sampling = self.gateway.sampling
        if not self.order.caller.sampled:
            return None
        return draw_sample(self.prompts, sampling.share, sampling.shape)

    async def _book(self, movement: Movement) -> bool:
        return await asyncio.wrap_future(self.gateway.books.write(movement))
