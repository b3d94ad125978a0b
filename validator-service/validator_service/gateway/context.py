"""What a call is made within: the order that it fulfils, and the gateway that all calls share."""

import asyncio
from dataclasses import dataclass, field

from psycopg_pool import ConnectionPool
from tokenizers import Tokenizer

from server_service.client import Grammars, ServerClient
from validator_service.domain.pricing import PriceList
from validator_service.domain.prompts import Shape
from validator_service.gateway.directory import Directory
from validator_service.gateway.limiting import ACCOUNTS_MAX, RateLimiter
from validator_service.ledger.books import Books
from validator_service.ledger.key_repository import Caller

CLOSE_SECONDS = 10.0


@dataclass(frozen=True)
class Order:
    """Who asks whom, by which name."""

    request_id: str
    caller: Caller
    model: str
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Sampling:
    """Which calls Servers are scored by."""

    share: float
    """Of those whose callers allow it."""
    shape: Shape
    """Of a round's questions."""


@dataclass
class Gateway:
    """What all calls share."""

    pool: ConnectionPool
    books: Books
    directory: Directory
    client: ServerClient
    tokenizer: Tokenizer
    token_bytes: list[bytes]
    grammars: Grammars
    prices: PriceList
    take_percent: int
    limiter: RateLimiter
    sampling: Sampling
    reservation_seconds: float
    hedging: bool = False
    calls: set[str] = field(default_factory=set)
    """Request ids of those that are under way, and hold money."""
    solvent: set[str] = field(default_factory=set)
    """Accounts whose last reservation was granted."""
    settling: set["asyncio.Task[None]"] = field(default_factory=set)

    def note_solvent(self, account: str) -> None:
        if len(self.solvent) >= ACCOUNTS_MAX:
            self.solvent.clear()
        self.solvent.add(account)

    def under_way(self) -> list[str]:
        """Return the calls that hold money; also asked by another thread."""
        return list(self.calls)

    async def close(self) -> None:
        """Let what was delivered be written before the process ends, within limits."""
        if self.settling:
            await asyncio.wait(self.settling, timeout=CLOSE_SECONDS)
        await self.directory.close()
        self.books.stop()
