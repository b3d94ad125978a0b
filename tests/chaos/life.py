"""Signs of life that no readiness page can give: work that a process has done since."""

from collections.abc import Callable
from typing import Any

import psycopg
import redis

from taonet.local.home import Home
from taonet.local.settings import LocalSettings
from taonet.local.stores import Stores, prepare_stores

NEVER = -1
"""Where nobody answers now."""
QUERIES = {
    "chain-author": "SELECT max(height) FROM chain.block",
    "chain-follower": "SELECT max(height) FROM chain_follower.block",
    "validator-1-beat": "SELECT max(number) FROM validator_1.round",
    "validator-2-beat": "SELECT max(number) FROM validator_2.round",
    "validator-1-worker": "SELECT max(scored_order) FROM validator_1.round",
    "validator-2-worker": "SELECT max(scored_order) FROM validator_2.round",
    "postgres": "SELECT txid_current()",
}
"""A number that grows when the process does its work; all others have a page that tells."""


class Signs:
    """Asks the stores, past all proxies, how far each process has come."""

    def __init__(self, settings: LocalSettings, home: Home) -> None:
        self.stores: Stores = prepare_stores(settings, home)
        self._redis = redis.Redis.from_url(self.stores.redis_url, socket_timeout=3)

    def close(self) -> None:
        self._redis.close()

    def query(self, query: str) -> list[tuple[Any, ...]]:
        """Ask Postgres, as its superuser."""
        options = "-c statement_timeout=30000"
        with psycopg.connect(self.stores.database_url, connect_timeout=5, options=options) as conn:
            return conn.execute(query.encode()).fetchall()

    def take(self, process: str) -> int:
        """Return how far a process has come; NEVER while that cannot be asked."""
        try:
            return self._readers(process)()
        except (psycopg.Error, redis.RedisError):
            return NEVER

    def has_moved(self, process: str, before: int) -> bool:
        now = self.take(process)
        return now > before if self.is_counted(process) else now != NEVER

    def is_counted(self, process: str) -> bool:
        return process in QUERIES

    def _readers(self, process: str) -> Callable[[], int]:
        if process in QUERIES:
            return lambda: int(self.query(QUERIES[process])[0][0] or 0)
        if process == "valkey":
            return lambda: int(bool(self._redis.ping()))
        return lambda: 0
