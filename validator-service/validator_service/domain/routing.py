"""Which Server a question goes to: by what the chain thinks of it, and how it fares just now."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

HEALTH_ALPHA = 0.2
"""Weight of the newest call in a Server's health."""
COOLING_SECONDS = 2.0
"""How long a Server rests after a failure; doubles with each in a row."""
COOLING_SECONDS_MAX = 60.0
DOUBLINGS_MAX = 10
"""Past the limit by then; after a thousand failures the power would be no float any more."""
FIRST_SECONDS = 0.05
"""Believed of a Server that was never asked: little, so that it will be."""
TOKEN_SECONDS = 0.005
TYPICAL_TOKENS = 64
"""Of an answer, when Servers' times are compared."""
STREAMS_AT_ONCE = 8
"""So many calls under way double the time of the next, roughly."""
BEARABLE_SECONDS = 4.0
"""A Server that takes so long for a typical answer is worth half of one that takes none."""
FAVOUR = 1.25
"""Worth of having read the same beginning before, as its memory of it may be warm."""
PATIENCE_SHARE = 0.95
PATIENCE_SAMPLES_MIN = 20


@dataclass(frozen=True)
class Health:
    """How a Server fared in its last calls."""

    success: float = 1.0
    """Moving average of 1 for a call that went well, 0 for one that did not."""
    failures: int = 0
    """In a row."""
    cooling_until: float = 0.0
    """Seconds on the caller's clock; before it the Server is asked only if nobody else is left."""
    first_seconds: float = FIRST_SECONDS
    """Moving average of the wait for a first token."""
    token_seconds: float = TOKEN_SECONDS
    """Moving average of the time between two tokens."""


@dataclass(frozen=True)
class Candidate:
    """A Server that could answer."""

    uid: int
    incentive: float
    health: Health = Health()
    load: int = 0
    """Calls of ours under way there."""
    favourite: bool = False
    """Whether it answered the last question with this beginning."""


def after_success(health: Health) -> Health:
    success = (1 - HEALTH_ALPHA) * health.success + HEALTH_ALPHA
    return replace(health, success=success, failures=0, cooling_until=0.0)


def after_failure(health: Health, now: float) -> Health:
    """Return the health after one more failure; the rest after it doubles, up to a limit."""
    pause = min(COOLING_SECONDS * 2 ** min(health.failures, DOUBLINGS_MAX), COOLING_SECONDS_MAX)
    return replace(
        health,
        success=(1 - HEALTH_ALPHA) * health.success,
        failures=health.failures + 1,
        cooling_until=now + pause,
    )


def after_wait(health: Health, first_seconds: float) -> Health:
    return replace(health, first_seconds=follow(health.first_seconds, first_seconds))


def after_text(health: Health, token_seconds: float) -> Health:
    return replace(health, token_seconds=follow(health.token_seconds, token_seconds))


def follow(average: float, value: float) -> float:
    return (1 - HEALTH_ALPHA) * average + HEALTH_ALPHA * value


def expect_seconds(candidate: Candidate) -> float:
    """Return how long a typical answer would take there now."""
    health = candidate.health
    alone = health.first_seconds + TYPICAL_TOKENS * health.token_seconds
    return alone * (1 + candidate.load / STREAMS_AT_ONCE)


def is_resting(candidate: Candidate, now: float) -> bool:
    """After its rest, a Server that failed gets one call; more only when that went well."""
    health = candidate.health
    return health.cooling_until > now or (health.failures > 0 and candidate.load > 0)


def rank_servers(
    candidates: Sequence[Candidate], now: float, *, by_speed: bool = False
) -> list[int]:
    """
    Return uids, the one to ask first in front: by incentive × success × favour ÷ slowness.

    Slowness is 1 + expected seconds / bearable seconds; `by_speed` it is the expected seconds,
    and incentive does not count. Those that rest come last. Before the chain has paid anybody
    all are alike and the rest of the product decides.
    """

    def worth(candidate: Candidate) -> tuple[bool, float, float, int]:
        expected = expect_seconds(candidate)
        slowness = expected if by_speed else 1 + expected / BEARABLE_SECONDS
        quality = candidate.health.success * (FAVOUR if candidate.favourite else 1) / slowness
        value = quality if by_speed else candidate.incentive * quality
        return (is_resting(candidate, now), -value, -quality, candidate.uid)

    return [candidate.uid for candidate in sorted(candidates, key=worth)]


def judge_patience(waits: Sequence[float]) -> float | None:
    """
    Return the time within which 95 % of the last waits ended (nearest rank).

    None where too few are known to tell.
    """
    if len(waits) < PATIENCE_SAMPLES_MIN:
        return None
    return sorted(waits)[math.ceil(PATIENCE_SHARE * len(waits)) - 1]
