"""Whether the books are true: against themselves, and against what the chain shows.

The chain moves while one looks. What it has done and the books have not heard of yet is either a
payment of ours, which is asked for by its hash, or a deposit on its way: then one looks again.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from psycopg import Connection
from psycopg_pool import ConnectionPool
from starlette.concurrency import run_in_threadpool

from chain_service.async_client import AsyncChainClient
from chain_service.client import ChainRefusal
from taonet.kit.db import begin
from taonet.kit.logging import get_logger
from taonet.kit.metrics import AUDIT_FAULTS, AUDIT_TIME
from taonet.kit.web import STORE_AWAY
from validator_service.ledger import repository as books
from validator_service.ledger.deposits import derive_treasury_keypair
from validator_service.payouts import statement_repository
from validator_service.payouts.schemas import AuditView
from validator_service.payouts.statement_repository import Moving

AUDIT = "gateway_chain"
"""Its name in figures and runbooks."""
LOOKS = 6
PAUSE_SECONDS = 0.5
REMEMBERED_SECONDS = 2.0
"""How long an audit is shown again: it asks the chain once for each address."""
SHOWN_SECONDS = 30.0
"""Between two audits that nobody asked for."""
ASKING_MAX = 8
"""Questions to the chain at once."""

Result = TypeVar("Result")

log = get_logger(__name__)


@dataclass(frozen=True)
class Books:
    """What the rows say, of one moment."""

    sides: dict[str, int]
    problems: list[str]
    addresses: list[str]
    moving: list[Moving]

    @property
    def total_rao(self) -> int:
        """What must lie at our addresses."""
        return -self.sides.get("chain", 0)

    def servers_rao(self) -> int:
        return sum(amount for side, amount in self.sides.items() if side.startswith("server:"))

    def own_rao(self, side: str) -> int:
        return self.sides.get(side, 0)


@dataclass
class Auditor:
    """Compares the books with the chain, at most once in a while."""

    pool: ConnectionPool
    chain: AsyncChainClient
    seed: str = field(repr=False)
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    seen: tuple[AuditView, float] | None = None

    def __post_init__(self) -> None:
        self.treasury: str = derive_treasury_keypair(self.seed).ss58_address

    async def audit(self) -> AuditView:
        """Return the newest audit; a difference is told only when it stays."""
        async with self.looking:
            if self.seen is not None and time.monotonic() - self.seen[1] < REMEMBERED_SECONDS:
                return self.seen[0]
            view = await self.look()
            for _ in range(LOOKS - 1):
                if view.balanced:
                    break
                await asyncio.sleep(PAUSE_SECONDS)
                view = await self.look()
            self.seen = (view, time.monotonic())
            return view

    async def keep_looking(self) -> None:
        """Show the newest audit, for ever; a chain that is away is waited for."""
        while True:
            try:
                show(await self.audit())
            except (ChainRefusal, *STORE_AWAY) as error:
                log.warning("the books could not be audited", reason=str(error).strip())
            except Exception:
                # What nobody thought of must not be the last look; its age tells of it, too.
                log.exception("the books could not be audited")
            await asyncio.sleep(SHOWN_SECONDS)

    async def look(self) -> AuditView:
        read = await self._read(load_books)
        gate = asyncio.Semaphore(ASKING_MAX)
        held = await asyncio.gather(
            *(self._free_rao(gate, address) for address in (self.treasury, *read.addresses))
        )
        settling = await asyncio.gather(*(self._moved_rao(gate, each) for each in read.moving))
        return describe(read, sum(held), sum(settling), self.treasury)

    async def _free_rao(self, gate: asyncio.Semaphore, address: str) -> int:
        async with gate:
            return (await self.chain.account(address)).free_rao

    async def _moved_rao(self, gate: asyncio.Semaphore, moving: Moving) -> int:
        """What a payment under way has taken from our addresses already."""
        async with gate:
            try:
                receipt = await self.chain.receipt(moving.extrinsic_hash)
            except ChainRefusal as refusal:
                if refusal.code != "NoSuchExtrinsic":
                    raise
                return 0
        paid_rao = moving.amount_rao if receipt.status == "included" else 0
        return paid_rao + receipt.fee_rao

    async def _read(self, work: Callable[[Connection], Result]) -> Result:
        def transaction() -> Result:
            with begin(self.pool) as conn:
                return work(conn)

        return await run_in_threadpool(transaction)


def show(view: AuditView) -> None:
    """Tell Prometheus and the log. Faults stop nothing: what consumers paid for is still theirs."""
    if view.problems:
        log.error("an audit found faults", audit=AUDIT, problems=view.problems)
    AUDIT_FAULTS.labels(AUDIT).set(len(view.problems))
    AUDIT_TIME.labels(AUDIT).set(time.time())


def load_books(conn: Connection) -> Books:
    """Read all in one snapshot: rows that are written meanwhile are the next look's."""
    conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    return Books(
        sides=books.sum_balances(conn),
        problems=statement_repository.list_problems(conn),
        addresses=statement_repository.list_deposit_addresses(conn),
        moving=statement_repository.list_moving(conn),
    )


def describe(read: Books, chain_rao: int, settling_rao: int, treasury: str) -> AuditView:
    problems = list(read.problems)
    difference = read.total_rao - chain_rao - settling_rao
    if difference:
        problems.append(
            f"the books have {abs(difference)} rao {'more' if difference > 0 else 'less'} than "
            "the chain"
        )
    own = {"capital", "chain", "fees", "revenue"}
    consumers_rao = sum(read.sides.values()) - sum(read.own_rao(side) for side in own)
    return AuditView(
        balanced=not problems,
        problems=problems,
        treasury_address=treasury,
        consumers_rao=consumers_rao - read.servers_rao(),
        servers_rao=read.servers_rao(),
        take_rao=read.own_rao("revenue"),
        capital_rao=read.own_rao("capital"),
        fees_rao=-read.own_rao("fees"),
        settling_rao=settling_rao,
        books_rao=read.total_rao,
        chain_rao=chain_rao,
    )
