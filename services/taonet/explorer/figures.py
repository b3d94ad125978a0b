"""The figures that pages show, computed from what the chain says. Pure functions and values."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from chain_service.schemas import Neuron

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
class Split:
    """How the last payout was shared between the two roles."""

    servers_rao: int
    validators_rao: int

    @property
    def servers_share(self) -> float:
        """Servers' share of both, 0 … 1; an even half where nothing was paid."""
        total = self.servers_rao + self.validators_rao
        return self.servers_rao / total if total else 0.5


def role_of(neuron: Neuron) -> Role:
    """
    Name what a neuron is paid for.

    A Server earns incentive, a Validator dividends, and who earns both is what it earns more by.
    A tie is a Server's: where nobody holds bonds of it, its own incentive comes back as dividends.
    One that earns nothing yet is a Server once it tells where it serves.
    """
    if neuron.dividends > neuron.incentive:
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
