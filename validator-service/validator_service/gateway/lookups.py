"""A call for numbers: next-token distributions or hidden states, paid per token of the prompts."""

import asyncio
from abc import abstractmethod
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from server_service.client import NextPhrases, RequestKind
from validator_service.gateway.calls import Call
from validator_service.gateway.context import Gateway, Order
from validator_service.gateway.directory import KnownServer

LOOKUP_SECONDS = 15.0
"""How long a Server may take for one prompt."""
PROMPTS_AT_ONCE = 8
"""Of one call; so that one consumer does not use up what a Server allows its Validator."""

Hidden = npt.NDArray[np.float32]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Found(Generic[Result]):
    """What was found for each prompt; all of it is here."""

    results: list[Result]

    async def stop(self) -> None:
        """There is nothing to stop: what was asked was answered."""


class Lookup(Call[Found[Result]], Generic[Result]):
    """One question about each prompt, all to the same Server: answers of two do not compare."""

    async def run(self) -> list[Result]:
        """Ask, pay, and return what was found for each prompt."""
        await self.start()
        assert self.delivery is not None
        self.note_success()
        await self.finish()
        return self.delivery.results

    @abstractmethod
    def look_up(
        self, server: KnownServer, tokens: npt.NDArray[np.int64]
    ) -> Coroutine[Any, Any, Result]:
        """Ask a Server about one prompt, [1, sequence]."""

    def room(self, server: KnownServer) -> int:
        info = server.info
        return min(info.context_length, info.limits.sequence_length) - self.longest_prompt

    def tokens_max(self, servers: list[KnownServer]) -> int:
        return 0

    async def ask(self, server: KnownServer) -> Found[Result]:
        gate = asyncio.Semaphore(PROMPTS_AT_ONCE)

        async def one(prompt: list[int]) -> Result:
            async with gate:
                return await self.look_up(server, np.array([prompt], dtype=np.int64))

        tasks = [asyncio.create_task(one(prompt)) for prompt in self.prompts]
        try:
            return Found(list(await asyncio.gather(*tasks)))
        finally:
            for task in tasks:
                task.cancel()

    def count_delivered(self) -> int | None:
        return 0 if self.outcome == "answered" else None


class HiddenStates(Lookup[Hidden]):
    """The last hidden state at each position of each prompt, [sequence, width]."""

    kind = RequestKind.HIDDEN

    async def look_up(self, server: KnownServer, tokens: npt.NDArray[np.int64]) -> Hidden:
        found = await self.gateway.client.hidden_states(
            server.address, tokens, timeout_seconds=LOOKUP_SECONDS
        )
        states: Hidden = found[0]
        return states


class NextDistribution(Lookup[NextPhrases]):
    """What comes next, by the Server's belief; as many phrases as it is willing to name."""

    kind = RequestKind.NEXT

    def __init__(
        self, gateway: Gateway, order: Order, prompts: list[list[int]], top_k: int
    ) -> None:
        super().__init__(gateway, order, prompts)
        self.top_k = top_k

    async def look_up(self, server: KnownServer, tokens: npt.NDArray[np.int64]) -> NextPhrases:
        top_k = min(self.top_k, server.info.limits.top_k)
        return await self.gateway.client.next_phrases(
            server.address, tokens, top_k=top_k, timeout_seconds=LOOKUP_SECONDS
        )
