"""Proof of liabilities: a Merkle sum tree over what every user holds.

A leaf commits to an account, its balances and a secret salt. A node commits to the hashes and the
sums of both children, each by itself, so that no sum can be moved from one side to the other:

    leaf = SHA-256("leaf" ‖ salt ‖ account ‖ satoshi ‖ rao)
    node = SHA-256("node" ‖ left ‖ right), where a child is hash ‖ satoshi ‖ rao

Numbers are 16 bytes, big-endian. No balance is below zero, so no leaf can hide another's coins.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final, NamedTuple

NUMBER_BYTES: Final = 16


class Node(NamedTuple):
    """A hash, and what all leaves below it hold together."""

    hash: bytes
    sat: int
    rao: int


class Leaf(NamedTuple):
    """What one user is owed; `salt` is the user's alone to know."""

    account_id: int
    salt: bytes
    sat: int
    rao: int


class Sibling(NamedTuple):
    """The other child on the way from a leaf to the root."""

    node: Node
    is_left: bool


class LiabilityTree:
    """The tree over all users' balances at one moment."""

    def __init__(self, balances: Mapping[int, tuple[int, int]], secret: bytes) -> None:
        """Build it from (satoshi, rao) by account; salts are derived from a secret of this tree's.

        Raises ValueError at a balance below zero.
        """
        if any(min(amounts) < 0 for amounts in balances.values()):
            raise ValueError("a balance is below zero; no proof is given for such books")
        self._leaves = {
            account_id: Leaf(account_id, derive_salt(secret, account_id), sat, rao)
            for account_id, (sat, rao) in sorted(balances.items())
        }
        # Padded with empty leaves, so that all paths of a tree have the same length.
        count = max(1, len(self._leaves))
        padding = [Leaf(0, derive_salt(secret, -n), 0, 0) for n in range(1, _padding(count) + 1)]
        base = [hash_leaf(leaf) for leaf in (*self._leaves.values(), *padding)]
        self._levels = [base]
        while len(base) > 1:
            base = [join(a, b) for a, b in zip(base[::2], base[1::2], strict=True)]
            self._levels.append(base)

    @property
    def root(self) -> Node:
        return self._levels[-1][0]

    def __len__(self) -> int:
        return len(self._leaves)

    def find_leaf(self, account_id: int) -> Leaf | None:
        return self._leaves.get(account_id)

    def find_path(self, account_id: int) -> list[Sibling]:
        """Return the siblings from an account's leaf up to the root."""
        place = list(self._leaves).index(account_id)
        path = []
        for level in self._levels[:-1]:
            path.append(Sibling(level[place ^ 1], bool(place & 1)))
            place //= 2
        return path


def derive_salt(secret: bytes, number: int) -> bytes:
    return hmac.new(secret, str(number).encode(), hashlib.sha256).digest()


def hash_leaf(leaf: Leaf) -> Node:
    numbers = _encode(leaf.account_id) + _encode(leaf.sat) + _encode(leaf.rao)
    return Node(hashlib.sha256(b"leaf" + leaf.salt + numbers).digest(), leaf.sat, leaf.rao)


def join(left: Node, right: Node) -> Node:
    """Return the parent of two nodes."""
    parts = [b"node"]
    for child in (left, right):
        parts += [child.hash, _encode(child.sat), _encode(child.rao)]
    digest = hashlib.sha256(b"".join(parts)).digest()
    return Node(digest, left.sat + right.sat, left.rao + right.rao)


def _encode(number: int) -> bytes:
    return number.to_bytes(NUMBER_BYTES, "big")


def _padding(count: int) -> int:
    """Return how many leaves are missing to a power of two, with one at least for two children."""
    size = 2
    while size < count:
        size *= 2
    return size - count
