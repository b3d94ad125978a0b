"""
Invariants that a service looks at while it works: what must never be, counted again and again.

An audit reads whole tables, so it runs beside the scrapes, not in them.
"""

import threading
import time
from collections.abc import Callable, Mapping

from psycopg import Connection
from psycopg_pool import ConnectionPool

from taonet.kit.db import begin
from taonet.kit.logging import get_logger
from taonet.kit.metrics import AUDIT_FAULTS, AUDIT_TIME

AUDIT_SECONDS = 15.0
"""Between two looks."""

Audit = Callable[[Connection], int]
"""Returns how many faults there are; 0 is well."""

log = get_logger(__name__)


class Audits:
    """Runs a service's audits in a thread of its own, until told to stop."""

    def __init__(self, pool: ConnectionPool, audits: Mapping[str, Audit]) -> None:
        self._pool = pool
        self._audits = audits
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audits", daemon=True)

    def __enter__(self) -> "Audits":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """Run every audit once; one that can't look tells so by the age of its last look."""
        for name, audit in self._audits.items():
            try:
                with begin(self._pool) as conn:
                    faults = audit(conn)
            except Exception as error:
                log.warning("an audit could not look", audit=name, error=str(error).strip())
                continue
            if faults:
                log.error("an audit found faults", audit=name, faults=faults)
            AUDIT_FAULTS.labels(name).set(faults)
            AUDIT_TIME.labels(name).set(time.time())

    def _run(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(AUDIT_SECONDS)
