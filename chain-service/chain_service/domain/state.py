"""
What the chain knows after a block, and how a block works on a copy of it that costs nothing.

A `State` is five tables and some counters. `branch` lays an empty layer over each table: reads fall
through it, writes stay in it. An extrinsic that fails is a layer thrown away; a block that is
committed is a layer absorbed. So the cost follows what changed, never what exists.
"""

from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from chain_service.domain.errors import NotRegistered
from chain_service.domain.merkle import MerkleTree, hash_leaf
from chain_service.domain.network import Row
from chain_service.domain.roots import StateChange, StateTree, encode_account, encode_neuron
from chain_service.domain.values import Account, Counters, Neuron

Key = TypeVar("Key")
Value = TypeVar("Value")

NOBODY = -1
"""The uid of a hotkey that has none."""


class Table(dict[Key, Value], Generic[Key, Value]):
    """A mapping where what was never written reads as a default."""

    __slots__ = ("default",)

    def __init__(self, default: Value) -> None:
        self.default = default

    def __missing__(self, key: Key) -> Value:
        return self.default


class Layer(Table[Key, Value]):
    """Writes over a table that is left as it is."""

    __slots__ = ("below",)

    def __init__(self, below: Table[Key, Value]) -> None:
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
    counters: Counters = field(default_factory=Counters)
    tree: StateTree = field(default_factory=StateTree)
    """Hashes of what the newest block left; a layer shares that of the state below."""
    tree_change: StateChange | None = None
    """In the layer of a block that was sealed: what it does to the tree."""

    def branch(self) -> "State":
        """Return an empty layer over this state."""
        return State(
            accounts=Layer(self.accounts),
            neurons=Layer(self.neurons),
            uids=Layer(self.uids),
            weights=Layer(self.weights),
            bonds=Layer(self.bonds),
            counters=self.counters,
            tree=self.tree,
        )

    def clear(self, counters: Counters) -> None:
        """Drop what was written in this layer: a new one would cost a transfer a tenth more."""
        self.accounts.clear()
        self.neurons.clear()
        self.uids.clear()
        self.weights.clear()
        self.bonds.clear()
        self.counters = counters

    def absorb(self, layer: "State") -> None:
        """Take over what was written in a layer that branched off here."""
        self.accounts.update(layer.accounts)
        if layer.neurons or layer.uids or layer.weights or layer.bonds:
            self.neurons.update(layer.neurons)
            self.uids.update(layer.uids)
            self.weights.update(layer.weights)
            self.bonds.update(layer.bonds)
        self.counters = layer.counters
        if layer.tree_change is not None:
            self.tree.absorb(layer.tree_change)

    def gather(self, layer: "State") -> None:
        """Take over what a block's layer wrote into one that holds all changes since some block."""
        first, self.tree_change = self.tree_change, None
        self.absorb(replace(layer, tree_change=None))
        assert layer.tree_change is not None, "the layer of a sealed block"
        self.tree_change = layer.tree_change if first is None else first.then(layer.tree_change)

    @property
    def root(self) -> bytes:
        """The state root, anew from the trees' roots."""
        return self.tree.change({}, {}, self.counters.before_own_hash()).root

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


def plant_tree(state: State) -> StateTree:
    """Return the tree of a whole state, built from nothing; accounts lie in the order of slots."""
    uids = range(state.counters.neuron_count)
    return StateTree(
        MerkleTree(hash_leaf(encode_account(*item)) for item in state.accounts.items()),
        MerkleTree(
            hash_leaf(encode_neuron(state.neuron(uid), state.weights[uid], state.bonds[uid]))
            for uid in uids
        ),
    )


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
