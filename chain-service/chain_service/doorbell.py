"""
The mempool's doorbell: the stream `chain.mempool` tells the author that something waits.

What waits is in Postgres. A bell that is not heard, or a Redis that is away, costs nothing but the
head start: the author looks at the end of each slot in any case.
"""

import threading
import time
from typing import Any

import redis

from chain_service.events import MEMPOOL_STREAM
from taonet.kit.logging import get_logger

STREAM_LENGTH_MAX = 1_000
AWAY_SECONDS = 1.0
READ_SECONDS_MAX = 1.0

log = get_logger(__name__)


def ring(client: redis.Redis, count: int) -> None:
    """Say that so many extrinsics came."""
    try:
        client.xadd(MEMPOOL_STREAM, {"count": count}, maxlen=STREAM_LENGTH_MAX, approximate=True)
    except redis.RedisError as error:
        log.warning("the doorbell is out of order", error=str(error))


class Doorbell:
    """The author's ear."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._last_entry: Any = "$"

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Wait for at most so long; say whether the bell rang."""
        deadline = time.monotonic() + min(seconds, READ_SECONDS_MAX)
        milliseconds = max(int((deadline - time.monotonic()) * 1000), 1)
        try:
            heard: Any = self._client.xread({MEMPOOL_STREAM: self._last_entry}, block=milliseconds)
        except redis.RedisError:
            stop.wait(max(deadline - time.monotonic(), 0))
            return False
        if not heard:
            return False
        entries = heard[0][1] if isinstance(heard, list) else next(iter(heard.values()))[0]
        self._last_entry = entries[-1][0]
        return True
