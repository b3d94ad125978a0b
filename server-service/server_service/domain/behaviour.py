"""Ways to misbehave, for tests of the Validators: never on a network whose coins are real."""

from dataclasses import dataclass
from enum import StrEnum

HONEST_PRESETS = frozenset({"network", "mainnet-2022"})
"""Genesis presets on which every Server must be honest."""
DELAY_SECONDS_MAX = 600.0


class Conduct(StrEnum):
    HONEST = "honest"
    """What the model says."""
    NOISE = "noise"
    """Random distributions, well formed."""
    CONSTANT = "constant"
    """The same distribution whatever is asked."""
    MALFORMED = "malformed"
    """Arrays that hold no distribution, properly signed."""
    SILENT = "silent"
    """Takes every request and answers none."""
    LOOKUP = "lookup"
    """What stands in the held-out text, where the question does; else what the model says."""
    RELAY = "relay"
    """What another Server says, signed as one's own."""
    SLOW = "slow"
    """What the model says, later."""


ARGUMENTS = frozenset({Conduct.SLOW, Conduct.RELAY})
"""Those that need to be told more."""


@dataclass(frozen=True)
class Behaviour:
    conduct: Conduct
    delay_seconds: float = 0.0
    uid: int = 0
    """Whom a relay asks."""


HONEST = Behaviour(Conduct.HONEST)


def parse_behaviour(text: str) -> Behaviour:
    """Read a conduct's name, with what it needs: `slow=SECONDS`, `relay=UID`."""
    name, _, argument = text.partition("=")
    if name not in {conduct.value for conduct in Conduct}:
        known = ", ".join(Conduct)
        raise ValueError(f"{text!r} is no behaviour; one of {known} (slow=SECONDS, relay=UID)")
    conduct = Conduct(name)
    if (conduct in ARGUMENTS) != bool(argument):
        raise ValueError(f"{text!r}: slow=SECONDS and relay=UID, the others stand alone")
    if conduct is Conduct.RELAY:
        if not (argument.isascii() and argument.isdigit() and len(argument) < 6):
            raise ValueError(f"{text!r}: a uid is a whole number")
        return Behaviour(conduct, uid=int(argument))
    if conduct is Conduct.SLOW:
        return Behaviour(conduct, parse_delay(argument))
    return Behaviour(conduct)


def parse_delay(text: str) -> float:
    delay_seconds = float(text)
    if not 0 <= delay_seconds <= DELAY_SECONDS_MAX:
        raise ValueError(f"{text!r}: 0 to {DELAY_SECONDS_MAX:g} seconds")
    return delay_seconds


def check_allowed(behaviour: Behaviour, preset: str) -> None:
    """Raise unless this behaviour may be shown on a chain of that preset."""
    if behaviour != HONEST and preset in HONEST_PRESETS:
        raise ValueError(f"the behaviour {behaviour.conduct} is off on a chain of preset {preset}")
