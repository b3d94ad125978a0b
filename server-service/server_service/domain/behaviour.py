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
    SLOW = "slow"
    """What the model says, later."""


@dataclass(frozen=True)
class Behaviour:
    conduct: Conduct
    delay_seconds: float = 0.0


HONEST = Behaviour(Conduct.HONEST)


def parse_behaviour(text: str) -> Behaviour:
    """Read `honest`, `noise`, `constant`, `malformed`, `silent` or `slow=SECONDS`."""
    name, _, argument = text.partition("=")
    if name not in {conduct.value for conduct in Conduct}:
        raise ValueError(f"{text!r} is no behaviour; one of {', '.join(Conduct)} (slow=SECONDS)")
    conduct = Conduct(name)
    if (conduct is Conduct.SLOW) != bool(argument):
        raise ValueError(f"{text!r}: slow, and only slow, takes seconds: slow=2.5")
    if not argument:
        return Behaviour(conduct)
    delay_seconds = float(argument)
    if not 0 <= delay_seconds <= DELAY_SECONDS_MAX:
        raise ValueError(f"{text!r}: 0 to {DELAY_SECONDS_MAX:g} seconds")
    return Behaviour(conduct, delay_seconds)


def check_allowed(behaviour: Behaviour, preset: str) -> None:
    """Raise unless this behaviour may be shown on a chain of that preset."""
    if behaviour != HONEST and preset in HONEST_PRESETS:
        raise ValueError(f"the behaviour {behaviour.conduct} is off on a chain of preset {preset}")
