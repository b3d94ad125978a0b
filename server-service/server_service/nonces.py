"""The memory of a Server without Redis: enough for one process, not for replicas of a hotkey."""

import threading
import time

from taonet.kit.errors import Unauthenticated
from taonet.kit.signing import WINDOW_SECONDS

KEPT_SECONDS = 2 * WINDOW_SECONDS + 1


class LocalNonces:
    """Remembers nonces as long as their requests are fresh. What was signed before this memory
    began is refused: whether it was answered before a restart, nobody knows."""

    def __init__(self) -> None:
        self._began_ms = time.time() * 1000
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str], float] = {}

    def claim(self, hotkey: str, nonce: str, timestamp_ms: int) -> None:
        now = time.monotonic()
        with self._lock:
            self._forget(now)
            if timestamp_ms < self._began_ms or (hotkey, nonce) in self._seen:
                raise Unauthenticated("this request was answered before; sign each request anew")
            self._seen[hotkey, nonce] = now + KEPT_SECONDS

    def _forget(self, now: float) -> None:
        """The oldest come first, as a dictionary keeps the order in which it was filled."""
        while self._seen and self._seen[first := next(iter(self._seen))] <= now:
            del self._seen[first]
