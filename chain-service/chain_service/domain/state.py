"""
What the chain knows after a block, and how a block works on a copy of it that costs nothing.

A `State` is five tables and some counters. `branch` lays an empty layer over each table: reads fall
through it, writes stay in it. An extrinsic that fails is a layer thrown away; a block that is
committed is a layer absorbed. So the cost follows what changed, never what exists.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from chain_service.domain.errors import NotRegistered
from chain_service.domain.network import Row

Key = TypeVar("Key")
Value = TypeVar("Value")

NOBODY = -1
"""The uid of a hotkey that has none."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a key holds, be it a coldkey or a hotkey."""

    free_rao: int = 0
    """Money it may spend."""
    nonce: int = 0
    """The number of its next extrinsic."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What the last step found for a neuron; shares are floor(x · (2^64 − 1))."""

    active: bool = True
    rank: int = 0
    trust: int = 0
    consensus: int = 0
    incentive: int = 0
    dividends: int = 0
    emission_rao: int = 0


@dataclass(frozen=True, slots=True)
class Neuron:
    """A slot of the network, and who is in it."""

    uid: int
    hotkey: str
    """Names the neuron and signs its traffic."""
    coldkey: str
    """Owns the hotkey, and is paid."""
    registered_block: int
    last_update_block: int
    """When it last set weights or served: what activity is judged by."""
    weights_block: int | None = None
    """When it last set weights: what the rate limit is judged by."""
    name: str = ""
    ip: str = ""
    port: int = 0
    take: int | None = None
    """Of 65,535: what its owner keeps of the delegators' pay; none while it is no delegate."""
    commit_hash: str | None = None
    commit_block: int | None = None
    stakes_rao: Mapping[str, int] = field(default_factory=dict)
    """By coldkey: the owner's, and the delegators'. Never changed in place."""
    scores: Scores = Scores()

    @property
    def stake_rao(self) -> int:
        """All that stands behind the neuron."""
        return sum(self.stakes_rao.values())


@dataclass(frozen=True, slots=True)
class Counters:
    """What there is one of."""

    height: int = 0
    pot_rao: int = 0
    """Minted and not yet paid out, with the fees."""
    free_rao: int = 0
    """Sum over all accounts."""
    stake_rao: int = 0
    """Sum over all neurons."""
    difficulty: int = 1
    burn_rao: int = 0
    works_this_interval: int = 0
    burns_this_interval: int = 0
    registrations_this_block: int = 0
    last_step_block: int = 0
    last_adjustment_block: int = 0
    neuron_count: int = 0
    reassigned_uids: tuple[int, ...] = ()
    """Slots that changed hands since the last step."""
    permitted_uids: tuple[int, ...] = ()
    """Yuma: who may validate in the next step."""
    recent_hashes: tuple[str, ...] = ()
    """Hashes of the last blocks, the newest last: work may be done on these."""


class Table(dict[Key, Value], Generic[Key, Value]):
    """A mapping where what was never written reads as a default."""

    __slots__ = ("default",)

    def __init__(self, default: Value) -> None:
        super().__init__()
        self.default = default

    def __missing__(self, key: Key) -> Value:
        return self.default


class Layer(Table[Key, Value]):
    """Writes over a table that is left as it is."""

    __slots__ = ("below",)

    def __init__(self, below: Table[Key, Value]) -> None:
        super().__init__(below.default)
        self.below = below

    def __missing__(self, key: Key) -> Value:
        return self.below[key]


@dataclass(slots=True)
class State:
    """The chain's memory, whole or as a layer over another; read tables with `[...]` only."""

    accounts: Table[str, Account] = field(default_factory=lambda: Table(Account()))
    neurons: Table[int, Neuron | None] = field(default_factory=lambda: Table(None))
    uids: Table[str, int] = field(default_factory=lambda: Table(NOBODY))
    """Hotkey → uid."""
    weights: Table[int, Row] = field(default_factory=lambda: Table(()))
    """What a neuron ranks others by; none until it sets weights."""
    bonds: Table[int, Row] = field(default_factory=lambda: Table(()))
    counters: Counters = Counters()

    def branch(self) -> "State":
        """Return an empty layer over this state."""
        return State(
            accounts=Layer(self.accounts),
            neurons=Layer(self.neurons),
            uids=Layer(self.uids),
            weights=Layer(self.weights),
            bonds=Layer(self.bonds),
            counters=self.counters,
        )

    def absorb(self, layer: "State") -> None:
        """Take over what was written in a layer that branched off here."""
        self.accounts.update(layer.accounts)
        self.neurons.update(layer.neurons)
        self.uids.update(layer.uids)
        self.weights.update(layer.weights)
        self.bonds.update(layer.bonds)
        self.counters = layer.counters

    def neuron(self, uid: int) -> Neuron:
        """Return the neuron in a slot that is known to be filled."""
        neuron = self.neurons[uid]
        assert neuron is not None, f"slot {uid} is empty"
        return neuron

    def neuron_of(self, hotkey: str) -> Neuron:
        """Return a hotkey's neuron, or refuse."""
        uid = self.uids[hotkey]
        if uid == NOBODY:
            raise NotRegistered(f"the hotkey {hotkey} is not registered; register it first")
        return self.neuron(uid)

    def put_neuron(self, neuron: Neuron) -> None:
        self.neurons[neuron.uid] = neuron


def count_totals(layer: State, before: State) -> tuple[int, int]:
    """Return by how much a layer changes the sums of free money and of stake, in rao."""
    free = sum(
        account.free_rao - before.accounts[address].free_rao
        for address, account in layer.accounts.items()
    )
    stake = sum(
        _stake_of(neuron) - _stake_of(before.neurons[uid]) for uid, neuron in layer.neurons.items()
    )
    return free, stake


def _stake_of(neuron: Neuron | None) -> int:
    return 0 if neuron is None else neuron.stake_rao


def as_json(layer: State) -> dict[str, Any]:
    """Return what a layer wrote, as JSON with nothing but integers, strings and lists in it."""
    return {
        "accounts": {key: [row.free_rao, row.nonce] for key, row in layer.accounts.items()},
        "neurons": {str(uid): _neuron_as_json(row) for uid, row in layer.neurons.items()},
        "weights": {str(uid): list(row) for uid, row in layer.weights.items()},
        "bonds": {str(uid): list(row) for uid, row in layer.bonds.items()},
        "counters": {name: getattr(layer.counters, name) for name in Counters.__slots__},
    }


def _neuron_as_json(neuron: Neuron | None) -> dict[str, Any]:
    assert neuron is not None
    values = {name: getattr(neuron, name) for name in Neuron.__slots__ if name != "scores"}
    values["scores"] = [getattr(neuron.scores, name) for name in Scores.__slots__]
    return values
