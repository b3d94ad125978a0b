"""How much each account may ask in a minute, in calls and in tokens."""

import math
import time
from dataclasses import dataclass, field

from validator_service.domain.limits import Bucket, refill, seconds_until
from validator_service.gateway.errors import RateLimited

ACCOUNTS_MAX = 10_000
"""Accounts remembered; an account that is forgotten begins with a full bucket."""


@dataclass
class Limit:
    """One bucket for each account."""

    unit: str
    per_minute: int
    buckets: dict[str, Bucket] = field(default_factory=dict)

    def take(self, account: str, amount: int) -> None:
        """Take so much, or refuse it and say when there will be enough."""
        bucket = self._look(account)
        if bucket.left < amount:
            raise RateLimited(
                self.unit, self.per_minute, seconds_until(bucket, amount, self.per_minute)
            )
        self._put(account, bucket, -amount)

    def give_back(self, account: str, amount: int) -> None:
        self._put(account, self._look(account), amount)

    def headers(self, account: str) -> dict[str, str]:
        bucket = self._look(account)
        full_in = seconds_until(bucket, self.per_minute, self.per_minute)
        return {
            f"x-ratelimit-limit-{self.unit}": str(self.per_minute),
            f"x-ratelimit-remaining-{self.unit}": str(math.floor(bucket.left)),
            f"x-ratelimit-reset-{self.unit}": f"{full_in:.3f}s",
        }

    def _look(self, account: str) -> Bucket:
        now = time.monotonic()
        known = self.buckets.get(account, Bucket(float(self.per_minute), now))
        return refill(known, now, self.per_minute)

    def _put(self, account: str, bucket: Bucket, change: int) -> None:
        if account not in self.buckets and len(self.buckets) >= ACCOUNTS_MAX:
            self.buckets.clear()
        left = min(bucket.left + change, float(self.per_minute))
        self.buckets[account] = Bucket(left, bucket.at)


class RateLimiter:
    """The limits of one gateway process."""

    def __init__(self, requests_per_minute: int, tokens_per_minute: int) -> None:
        self.requests = Limit("requests", requests_per_minute)
        self.tokens = Limit("tokens", tokens_per_minute)

    def take_request(self, account: str) -> None:
        self.requests.take(account, 1)

    def take_tokens(self, account: str, tokens: int) -> None:
        """Take all that a call may need; what it did not need is given back after it."""
        self.tokens.take(account, tokens)

    def give_back_tokens(self, account: str, tokens: int) -> None:
        self.tokens.give_back(account, tokens)

    def headers(self, account: str) -> dict[str, str]:
        """Return what an account is told of its limits with every answer."""
        return {**self.requests.headers(account), **self.tokens.headers(account)}
