"""Who calls, and whether not too often: what every route that costs money depends on."""

import math
import time
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from validator_service.domain.limits import Bucket, refill, seconds_until
from validator_service.gateway.errors import RateLimited
from validator_service.ledger.access import caller
from validator_service.ledger.key_repository import Caller

ACCOUNTS_MAX = 10_000
"""Accounts remembered; an account that is forgotten begins with a full bucket."""


@dataclass
class RateLimiter:
    """The buckets of one gateway process."""

    per_minute: int
    buckets: dict[str, Bucket] = field(default_factory=dict)

    def take(self, account: str, now: float) -> Bucket:
        """Take one call, or refuse it and say when there will be one."""
        known = self.buckets.get(account, Bucket(float(self.per_minute), now))
        bucket = refill(known, now, self.per_minute)
        if bucket.calls < 1:
            raise RateLimited(self.per_minute, seconds_until(bucket, 1, self.per_minute))
        if len(self.buckets) >= ACCOUNTS_MAX:
            self.buckets.clear()
        taken = self.buckets[account] = Bucket(bucket.calls - 1, now)
        return taken

    def headers(self, bucket: Bucket) -> dict[str, str]:
        full_in = seconds_until(bucket, self.per_minute, self.per_minute)
        return {
            "x-ratelimit-limit-requests": str(self.per_minute),
            "x-ratelimit-remaining-requests": str(math.floor(bucket.calls)),
            "x-ratelimit-reset-requests": f"{full_in:.3f}s",
        }


async def paying_caller(request: Request, who: Annotated[Caller, Depends(caller)]) -> Caller:
    """Return whose account pays; every answer to it says how many more calls it may make."""
    limiter: RateLimiter = request.app.state.limiter
    empty = Bucket(0.0, 0.0)
    request.state.limit_headers = limiter.headers(empty)
    bucket = limiter.take(who.account, time.monotonic())
    request.state.limit_headers = limiter.headers(bucket)
    return who
