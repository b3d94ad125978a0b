"""
A Merkle tree over numbered slots: one root stands for all leaves, a short path proves one of them.

Each node hashes sixteen children, so a leaf of 10^6 is five hashes below the root; hashing 512
bytes costs scarcely more than hashing 64. A change is worked out beside the tree and absorbed once
it is true; nodes above several changed leaves are hashed once. Cost: O(changed · log n).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from chain_service.domain.encoding import HASH_BYTES

FAN_OUT = 16
NODE_BYTES = FAN_OUT * HASH_BYTES
PAGE_LEVELS = 3
"""A tree has at least so many levels above its leaves, but where pages are themselves leaves."""
PAGE_SLOTS = FAN_OUT**PAGE_LEVELS
"""A page is a subtree of so many leaves: what has to be read, at most, to prove one of them."""
EMPTY = bytes(HASH_BYTES)
"""Stands where there is no child."""
LEAF_PERSON, NODE_PERSON = b"taonet leaf", b"taonet node"
"""Keep a leaf from passing for a node: blake2b hashes the same bytes differently under each."""


def hash_leaf(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=HASH_BYTES, person=LEAF_PERSON).digest()


def hash_node(children: bytes | bytearray) -> bytes:
    return hashlib.blake2b(children, digest_size=HASH_BYTES, person=NODE_PERSON).digest()


@dataclass(frozen=True, slots=True)
class Siblings:
    """One level of a path: the node's place among its parent's children, and the other children."""

    position: int
    hashes: Sequence[bytes]


def climb(leaf_hash: bytes, path: Iterable[Siblings]) -> bytes:
    """Return the root that a leaf and its path lead to."""
    digest = leaf_hash
    for level in path:
        children = [*level.hashes[: level.position], digest, *level.hashes[level.position :]]
        digest = hash_node(b"".join(children))
    return digest


@dataclass(frozen=True, slots=True)
class TreeChange:
    """What new leaves do to a tree: by level, from the leaves up, the nodes that differ."""

    levels: Sequence[Mapping[int, bytes]]
    root: bytes

    @property
    def pages(self) -> Mapping[int, bytes]:
        return self.levels[PAGE_LEVELS]

    def then(self, later: "TreeChange") -> "TreeChange":
        """Return this change and a later one as one."""
        same: Mapping[int, bytes] = {}
        pairs = zip_longest(self.levels, later.levels, fillvalue=same)
        return TreeChange([{**before, **after} for before, after in pairs], later.root)


class MerkleTree:
    """The hashes of all leaves and nodes, level by level: 34 bytes a leaf."""

    def __init__(self, leaf_hashes: Iterable[bytes] = (), levels_min: int = PAGE_LEVELS) -> None:
        self._levels = [bytearray(b"".join(leaf_hashes))]
        while len(self._levels) <= levels_min or len(self._levels[-1]) > HASH_BYTES:
            below = self._levels[-1]
            parents = (
                hash_node(below[start : start + NODE_BYTES].ljust(NODE_BYTES, b"\0"))
                for start in range(0, len(below), NODE_BYTES)
            )
            self._levels.append(bytearray(b"".join(parents)))

    @property
    def size(self) -> int:
        """How many slots there are."""
        return len(self._levels[0]) // HASH_BYTES

    @property
    def root(self) -> bytes:
        return bytes(self._levels[-1]) or EMPTY

    def pages(self) -> list[bytes]:
        """Return the roots of all pages."""
        return _cut(self._levels[PAGE_LEVELS])

    def change(self, leaf_hashes: Mapping[int, bytes]) -> TreeChange:
        """Return what these leaves change, by slot; a new one follows the last without a gap."""
        levels: list[Mapping[int, bytes]] = [leaf_hashes]
        width = max(self.size, max(leaf_hashes, default=-1) + 1)
        while len(levels) <= PAGE_LEVELS or width > 1:
            levels.append(self._hash_parents(len(levels) - 1, levels[-1]))
            width = -(-width // FAN_OUT)
        return TreeChange(levels, levels[-1].get(0, self.root))

    def absorb(self, change: TreeChange) -> None:
        """Make a change true."""
        while len(self._levels) < len(change.levels):
            self._levels.append(bytearray())
        for level, hashes in zip(self._levels, change.levels, strict=True):
            for index in sorted(hashes):
                level[index * HASH_BYTES : (index + 1) * HASH_BYTES] = hashes[index]

    def path(self, slot: int) -> list[Siblings]:
        """Return what is beside a leaf's way to the root, from the leaf up."""
        path = []
        for level in range(len(self._levels) - 1):
            slot, position = divmod(slot, FAN_OUT)
            hashes = _cut(self._children(level, slot))
            path.append(Siblings(position, hashes[:position] + hashes[position + 1 :]))
        return path

    def _hash_parents(self, level: int, changed: Mapping[int, bytes]) -> dict[int, bytes]:
        parents: dict[int, bytearray] = {}
        for index, digest in changed.items():
            parent, position = divmod(index, FAN_OUT)
            children = parents.get(parent)
            if children is None:
                children = parents[parent] = self._children(level, parent)
            children[position * HASH_BYTES : (position + 1) * HASH_BYTES] = digest
        return {parent: hash_node(children) for parent, children in parents.items()}

    def _children(self, level: int, parent: int) -> bytearray:
        """Return a copy of a node's sixteen children."""
        if level >= len(self._levels):
            return bytearray(NODE_BYTES)
        start = parent * NODE_BYTES
        return self._levels[level][start : start + NODE_BYTES].ljust(NODE_BYTES, b"\0")


def _cut(hashes: bytearray) -> list[bytes]:
    return [bytes(hashes[at : at + HASH_BYTES]) for at in range(0, len(hashes), HASH_BYTES)]
