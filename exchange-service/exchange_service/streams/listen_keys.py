"""Listen keys: how clients from before 2026 find their own events; newer ones sign for them.

They live in memory, for an hour after they were last kept alive; a restart ends them all.
"""

import secrets
import time
from collections.abc import Callable
from typing import Final

LIFE_SECONDS: Final = 3_600


class ListenKeys:
    """Listen keys and the accounts they belong to."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._keys: dict[str, tuple[int, float]] = {}

    def open(self, account_id: int) -> str:
        """Return the account's key, with a whole life before it."""
        self._drop_dead()
        own = (key for key, (owner, _) in self._keys.items() if owner == account_id)
        key = next(own, None) or secrets.token_hex(32)
        self._keys[key] = account_id, self._clock() + LIFE_SECONDS
        return key

    def find(self, key: str) -> int | None:
        account_id, until = self._keys.get(key, (0, 0.0))
        return account_id if until > self._clock() else None

    def prolong(self, key: str, account_id: int) -> bool:
        """Give a key another life; False if the account has no such key."""
        if self.find(key) != account_id:
            return False
        self._keys[key] = account_id, self._clock() + LIFE_SECONDS
        return True

    def close(self, key: str, account_id: int) -> bool:
        if self.find(key) != account_id:
            return False
        del self._keys[key]
        return True

    def _drop_dead(self) -> None:
        now = self._clock()
        self._keys = {key: entry for key, entry in self._keys.items() if entry[1] > now}
