"""The figures that pages show, computed from what the chain says. Pure functions and values."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from chain_service.schemas import Neuron
from taonet.kit.money import RAO_PER_TAO

SUPPLY_MAX_RAO = 21_000_000 * RAO_PER_TAO
"""All the TAO there can ever be, in rao."""
ERA_BLOCKS = 10_500_000
"""Blocks between two halvings of the block reward."""
HALVINGS = 64
SECONDS_PER_DAY = 86_400
DAYS_PER_YEAR = 365.25

Role = Literal["Server", "Validator", "Newcomer"]
SortKey = Literal[
    "uid", "name", "role", "stake", "trust", "consensus", "incentive", "dividends", "emission"
]


@dataclass(frozen=True)
class Step:
    """One payout of the emission pot."""

    height: int
    time_ms: int
    paid_rao: int
    issuance_rao: int
    """All the TAO minted up to this block, in rao."""


@dataclass(frozen=True)
class Halving:
    """The next time the block reward halves."""

    number: int
    height: int
    blocks_left: int
    days_left: float

    @property
    def distance(self) -> str:
        """Say how far away it is, in the unit that reads best."""
        if self.days_left >= DAYS_PER_YEAR:
            return f"{self.days_left / DAYS_PER_YEAR:.2f} years"
        return f"{self.days_left:.1f} days"


@dataclass(frozen=True)
class Split:
    """How the last payout was shared between the two roles."""

    servers_rao: int
    validators_rao: int

    @property
    def servers_share(self) -> float:
        """Servers' share of both, 0 … 1; an even half where nothing was paid."""
        total = self.servers_rao + self.validators_rao
        return self.servers_rao / total if total else 0.5


def find_halving(height: int, block_seconds: float) -> Halving | None:
    """Return the first halving above a height; none after the last one."""
    number = max(height - 1, 0) // ERA_BLOCKS + 1
    if number > HALVINGS:
        return None
    first_of_era = number * ERA_BLOCKS + 1
    left = first_of_era - height
    return Halving(number, first_of_era, left, left * block_seconds / SECONDS_PER_DAY)


def role_of(neuron: Neuron) -> Role:
    """
    Name what a neuron is paid for.

    A Server earns incentive. A Validator's dividends exceed the half that its own incentive
    brings. One that earns nothing yet is a Server once it tells where it serves.
    """
    for_validating = neuron.dividends - neuron.incentive / 2
    if for_validating > neuron.incentive / 2:
        return "Validator"
    if neuron.incentive > 0 or neuron.axon is not None:
        return "Server"
    return "Newcomer"


def split_emission(neurons: Iterable[Neuron]) -> Split:
    """Return what the last payout gave to Servers and to Validators, in rao."""
    paid = {"Server": 0, "Validator": 0, "Newcomer": 0}
    for neuron in neurons:
        paid[role_of(neuron)] += neuron.emission_rao
    return Split(paid["Server"], paid["Validator"])


def sort_neurons(neurons: Iterable[Neuron], key: SortKey) -> list[Neuron]:
    """Names and uids rise, amounts and shares fall; ties go to the lower uid."""
    if key == "uid":
        return sorted(neurons, key=lambda neuron: neuron.uid)
    if key in ("name", "role"):
        text = {"name": lambda n: n.name.casefold(), "role": role_of}[key]
        return sorted(neurons, key=lambda neuron: (text(neuron), neuron.uid))
    field = {"stake": "stake_rao", "emission": "emission_rao"}.get(key, key)
    return sorted(neurons, key=lambda neuron: (-getattr(neuron, field), neuron.uid))
