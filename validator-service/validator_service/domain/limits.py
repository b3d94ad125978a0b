"""How much an account may ask: a bucket that fills evenly, and holds a minute's worth."""

from dataclasses import dataclass

SECONDS_PER_MINUTE = 60.0


@dataclass(frozen=True)
class Bucket:
    """What an account may still ask at a moment: calls, or tokens."""

    left: float
    at: float
    """Seconds, on the caller's clock."""


def refill(bucket: Bucket, now: float, per_minute: int) -> Bucket:
    grown = bucket.left + (now - bucket.at) * per_minute / SECONDS_PER_MINUTE
    return Bucket(min(float(per_minute), grown), now)


def seconds_until(bucket: Bucket, wanted: float, per_minute: int) -> float:
    """Return how long it takes until the bucket holds so much."""
    return max(0.0, (wanted - bucket.left) * SECONDS_PER_MINUTE / per_minute)
