"""The continuous audit: which invariants hold, and up to which journal entry that was checked.

What a commit moves is checked before it is committed (`domain/countercheck.py`), what is written
stays checked here: a thread has Postgres compute the chains of hashes anew, as far as they have
grown since. Whatever does not hold stops the engine; but for coins that a chain no longer holds,
which `reserves/reconciling.py` looks for: that is told, and the market goes on.
"""

import threading
import time
from typing import Final

from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydantic import BaseModel

from exchange_service import audit_repository
from exchange_service.engine import Engine
from exchange_service.metrics import INVARIANT_CHECKED, INVARIANT_HOLDS
from taonet.kit.db import begin
from taonet.kit.logging import get_logger
from taonet.kit.metrics import AUDIT_TIME

PAUSE_SECONDS: Final = 2.0
ENTRIES_MAX: Final = 5_000
"""Entries checked at once: what bounds a single look."""
HOLDINGS: Final = "I4"
CHAINS: Final = "I7"
AT_COMMIT: Final = {
    "I1": "all accounts together hold nothing, asset by asset; every transfer is above zero",
    "I2": "no user account stands below zero",
    "I3": "what is locked is what open orders and withdrawals need",
    "I5": "every balance is the sum of its transfers",
    "I6": "what an order executed is the sum of its trades",
}
MEANINGS: Final = {
    **AT_COMMIT,
    HOLDINGS: "each chain holds what the books say that its wallet holds, as of what is booked",
    CHAINS: "journal and ledger have no gap, and their chains of hashes are whole",
    "I8": "snapshot and journal lead to the state whose hash was written down",
}

log = get_logger(__name__)


class Invariant(BaseModel):
    """One promise, and whether it is kept."""

    name: str
    meaning: str
    holds: bool
    checked_sequence: int
    """Up to this journal entry."""


class Holdings:
    """What the last look at the chains said (I4), by whoever looks.

    It stands while a chain is away.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.checked_sequence = 0
        self.compared_ms: int | None = None
        """When a look last came to its end; None: not since the start."""
        # Chains that are away from the start on leave an audit that grows old, too.
        AUDIT_TIME.labels(HOLDINGS).set_to_current_time()

    def take(self, faults: list[str], sequence: int) -> None:
        """Note what a look found, begun at this journal entry."""
        for fault in faults:
            if fault not in self.faults:
                log.error("coins are missing on a chain", fault=fault)
        self.faults, self.checked_sequence = faults, sequence
        self.compared_ms = time.time_ns() // 1_000_000
        AUDIT_TIME.labels(HOLDINGS).set_to_current_time()


class Auditor:
    """Looks at what was written, and remembers how far."""

    def __init__(self, engine: Engine, pool: ConnectionPool, started_sequence: int) -> None:
        self._engine = engine
        self._pool = pool
        self._started_sequence = started_sequence
        """Up to here snapshot, journal and balances were compared at the start."""
        self._checked = 0
        self._again = 0
        """How far the present look at what was checked before has come."""
        self._lock = threading.Lock()
        self.fault: str | None = None
        self.holdings = Holdings()

    def follow(self, stop: threading.Event) -> None:
        """Check what is new, every other second, until told to stop."""
        while not stop.wait(PAUSE_SECONDS):
            try:
                while self.check() and not stop.is_set():
                    pass
            except Exception as error:
                # Postgres may be away for a moment; the engine finds out by itself.
                log.warning("the audit could not look", error=str(error))

    def check(self) -> bool:
        """Check the next entries; return whether more are waiting.

        Whoever is up to date looks at older ones again, in turn, for they may be altered later.
        """
        with self._lock, begin(self._pool) as conn:
            newest = self._engine.sequence
            if self._checked < newest:
                upto = min(newest, self._checked + ENTRIES_MAX)
                if self._are_whole(conn, self._checked, upto):
                    self._checked = upto
            else:
                upto = min(newest, self._again + ENTRIES_MAX)
                self._are_whole(conn, self._again, upto)
                self._again = upto if upto < newest else 0
            self._measure()
            return self.fault is None and self._checked < self._engine.sequence

    def _are_whole(self, conn: Connection, after: int, upto: int) -> bool:
        """Tell whether both chains are whole between two entries; if not, stop the engine."""
        if self.fault is None:
            entry = audit_repository.find_broken_entry(conn, after, upto)
            seal = audit_repository.find_broken_seal(conn, after, upto)
            if entry is not None:
                self._stop(f"{CHAINS}: the journal's chain of hashes breaks at entry {entry}")
            elif seal is not None:
                self._stop(f"{CHAINS}: the transfers up to entry {seal} are not those sealed")
        return self.fault is None

    def list_invariants(self) -> list[Invariant]:
        """Return every invariant as of now, without looking at anything again."""
        failure = " ".join(
            filter(None, (self.fault or self._engine.failure, *self.holdings.faults))
        )
        checked = dict.fromkeys(AT_COMMIT, self._engine.sequence)
        checked |= {CHAINS: self._checked, "I8": self._started_sequence}
        checked[HOLDINGS] = self.holdings.checked_sequence
        return [
            Invariant(
                name=name,
                meaning=meaning,
                holds=f"{name}:" not in failure,
                checked_sequence=checked[name],
            )
            for name, meaning in sorted(MEANINGS.items())
        ]

    def _stop(self, fault: str) -> None:
        self.fault = fault
        log.error("the audit found a fault", fault=fault)
        self._engine.fail(fault)

    def _measure(self) -> None:
        for invariant in self.list_invariants():
            INVARIANT_HOLDS.labels(invariant.name).set(invariant.holds)
            INVARIANT_CHECKED.labels(invariant.name).set(invariant.checked_sequence)
