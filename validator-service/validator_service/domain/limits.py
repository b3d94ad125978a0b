"""How often an account may call: a bucket that fills evenly, and holds a minute's worth."""

from dataclasses import dataclass

SECONDS_PER_MINUTE = 60.0


@dataclass(frozen=True)
class Bucket:
    """What an account may still call at a moment."""

    calls: float
    at: float
    """Seconds, on the caller's clock."""


def refill(bucket: Bucket, now: float, per_minute: int) -> Bucket:
    grown = bucket.calls + (now - bucket.at) * per_minute / SECONDS_PER_MINUTE
    return Bucket(min(float(per_minute), grown), now)


def seconds_until(bucket: Bucket, calls: float, per_minute: int) -> float:
    """Return how long it takes until the bucket holds so many calls."""
    return max(0.0, (calls - bucket.calls) * SECONDS_PER_MINUTE / per_minute)
