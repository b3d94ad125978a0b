"""How a vector's numbers and ours are compared: exactly, or within what the vector allows."""

from collections.abc import Sequence
from typing import Any

Vector = dict[str, Any]
Family = dict[str, Any]


class Differs(Exception):
    """A field whose number is not the vector's."""

    def __init__(self, field: str, expected: Any, found: Any) -> None:
        super().__init__(f"{field}: expected {expected}, found {found}")


class NotComparable(Exception):
    """The vector pins something this chain has no rule for; the message says what."""


def compare(field: str, expected: Any, found: Any, tolerance: float = 0) -> None:
    """Pass numbers, and lists of them to any depth, that differ by no more than the tolerance."""
    if isinstance(expected, list):
        found = list(found) if isinstance(found, Sequence) else found
        if not isinstance(found, list) or len(expected) != len(found):
            raise Differs(field, expected, found)
        for index, (left, right) in enumerate(zip(expected, found, strict=True)):
            compare(f"{field}[{index}]", left, right, tolerance)
    elif isinstance(expected, str | bool) or isinstance(found, str):
        if expected != found:
            raise Differs(field, expected, found)
    elif abs(expected - found) > tolerance:
        raise Differs(field, expected, found)


def to_sparse(rows: Sequence[Sequence[int]]) -> list[tuple[tuple[int, int], ...]]:
    """Return dense rows as (uid, value) pairs, zeros left out."""
    return [tuple((uid, value) for uid, value in enumerate(row) if value) for row in rows]


def to_dense(rows: Sequence[Sequence[tuple[int, int]]], count: int) -> list[list[int]]:
    """Return rows of (uid, value) pairs with their zeros."""
    return [[dict(row).get(uid, 0) for uid in range(count)] for row in rows]
