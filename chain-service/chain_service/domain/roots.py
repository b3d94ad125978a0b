"""
The state root: one hash over every account, every neuron, and what the chain has one of.

Two Merkle trees and a leaf: accounts by the slot they were given, neurons by uid, and the counters.
A leaf is the blake2b hash of a JSON object with sorted keys, as RFC 8785 writes it; amounts are
strings. `docs/chain.md` shows how anybody verifies one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from chain_service.domain.encoding import encode_plainly
from chain_service.domain.merkle import MerkleTree, Siblings, TreeChange, hash_leaf, hash_node
from chain_service.domain.network import Row
from chain_service.domain.rows import pack_row
from chain_service.domain.values import Account, Counters, Neuron, Scores

NEURON_FIELDS = tuple(
    item.name for item in fields(Neuron) if item.name not in ("scores", "stakes_rao")
)
SCORE_FIELDS = tuple(item.name for item in fields(Scores) if item.name != "active")
COUNTER_FIELDS = tuple(
    item.name for item in fields(Counters) if item.name not in ("recent_hashes", "used_seals")
)
ACCOUNTS_POSITION, NEURONS_POSITION = 0, 1


@dataclass(frozen=True, slots=True)
class StateChange:
    """What a block does to the trees, and the root it leads to."""

    accounts: TreeChange
    neurons: TreeChange
    root: bytes

    def then(self, later: "StateChange") -> "StateChange":
        """Return this change and a later one as one."""
        accounts, neurons = self.accounts.then(later.accounts), self.neurons.then(later.neurons)
        return StateChange(accounts, neurons, later.root)


@dataclass(slots=True)
class StateTree:
    """Both trees, as of the newest block."""

    accounts: MerkleTree = field(default_factory=MerkleTree)
    neurons: MerkleTree = field(default_factory=MerkleTree)

    def change(
        self, accounts: Mapping[int, bytes], neurons: Mapping[int, bytes], counters: Counters
    ) -> StateChange:
        """Return what new leaf hashes, by slot and by uid, make of the trees."""
        account_change, neuron_change = self.accounts.change(accounts), self.neurons.change(neurons)
        root = join_roots(account_change.root, neuron_change.root, counters)
        return StateChange(account_change, neuron_change, root)

    def absorb(self, change: StateChange) -> None:
        self.accounts.absorb(change.accounts)
        self.neurons.absorb(change.neurons)


def join_roots(accounts_root: bytes, neurons_root: bytes, counters: Counters) -> bytes:
    """Return the state root."""
    return hash_node(accounts_root + neurons_root + hash_leaf(encode_counters(counters)))


def top_of_path(
    position: int, accounts_root: bytes, neurons_root: bytes, counters: Counters
) -> Siblings:
    """Return the last level of a path: from a tree's root to the state root."""
    children = [accounts_root, neurons_root, hash_leaf(encode_counters(counters))]
    return Siblings(position, children[:position] + children[position + 1 :])


def encode_account(address: str, account: Account) -> bytes:
    """Return an account's leaf; written out, for this is the chain's most frequent hash."""
    return (
        f'{{"address":"{address}","free_rao":"{account.free_rao}","nonce":{account.nonce}}}'
    ).encode()


def encode_neuron(neuron: Neuron, weights: Row, bonds: Row) -> bytes:
    """Return a neuron's leaf: all its fields, and one hash each for its weights and its bonds."""
    scores = {name: str(getattr(neuron.scores, name)) for name in SCORE_FIELDS}
    return encode_plainly(
        {name: getattr(neuron, name) for name in NEURON_FIELDS}
        | scores
        | {
            "active": neuron.scores.active,
            "stakes_rao": {coldkey: str(rao) for coldkey, rao in neuron.stakes_rao.items()},
            "weights_hash": pack_row(weights).digest.hex(),
            "bonds_hash": pack_row(bonds).digest.hex(),
        }
    )


def encode_counters(counters: Counters) -> bytes:
    """
    Return the leaf of all that there is one of.

    Of the recent hashes it holds those before the block's own, which follows from this root. Used
    seals are in it where there are any, as they were not in the first chains' leaves.
    """
    values = {name: getattr(counters, name) for name in COUNTER_FIELDS}
    strings = {name: str(value) for name, value in values.items() if name.endswith("_rao")}
    seals = {"used_seals": counters.used_seals} if counters.used_seals else {}
    return encode_plainly(
        {
            **values,
            **strings,
            **seals,
            "difficulty": str(counters.difficulty),
            "recent_hashes": counters.recent_hashes,
        }
    )
