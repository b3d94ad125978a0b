"""Which Server a question goes to: by what the chain thinks of it, and how it fared lately."""

from dataclasses import dataclass, replace

HEALTH_ALPHA = 0.2
"""Weight of the newest call in a Server's health."""
COOLING_SECONDS = 2.0
"""How long a Server rests after a failure; doubles with each in a row."""
COOLING_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Health:
    """How a Server fared in its last calls."""

    success: float = 1.0
    """Moving average of 1 for a call that went well, 0 for one that did not."""
    failures: int = 0
    """In a row."""
    cooling_until: float = 0.0
    """Seconds on the caller's clock; before it the Server is asked only if nobody else is left."""


def after_success(health: Health) -> Health:
    success = (1 - HEALTH_ALPHA) * health.success + HEALTH_ALPHA
    return Health(success=success)


def after_failure(health: Health, now: float) -> Health:
    """Return the health after one more failure; the rest after it doubles, up to a limit."""
    pause = min(COOLING_SECONDS * 2**health.failures, COOLING_SECONDS_MAX)
    return replace(
        health,
        success=(1 - HEALTH_ALPHA) * health.success,
        failures=health.failures + 1,
        cooling_until=now + pause,
    )


def rank_servers(incentives: dict[int, float], health: dict[int, Health], now: float) -> list[int]:
    """
    Return uids, the one to ask first in front: by incentive × success.

    Those that rest come last. Before the chain has paid anybody all are alike and success decides.
    """

    def worth(uid: int) -> tuple[bool, float, float, int]:
        known = health.get(uid, Health())
        value = incentives[uid] * known.success
        return (known.cooling_until > now, -value, -known.success, uid)

    return sorted(incentives, key=worth)
