"""How a vector's numbers and ours are compared: exactly, or within what the vector allows."""

from collections.abc import Iterator, Mapping, Sequence
from math import floor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _collections_abc import dict_items

Vector = dict[str, Any]
Family = dict[str, Any]

NOTES = {
    # Of a vector: where it is from, what its own test allowed, how its chain was set up.
    *("source", "tolerance", "float_tolerance", "ci_active", "start_block", "adjustment_interval"),
    # Of the schedule of whole rao, which this chain's exact one leaves after its tenth era.
    *("blocks", "last_nonzero_k", "final_issuance_rao", "blocks_until_zero_reward"),
    "never_minted_rao",
}
"""Fields that a check may leave unread: they claim nothing about this chain's rules."""


class Differs(Exception):
    """A field whose number is not the vector's."""

    def __init__(self, field: str, expected: Any, found: Any) -> None:
        super().__init__(f"{field}: expected {expected}, found {found}")


class NotComparable(Exception):
    """The vector is known to pin no rule of any chain; the message says what it pins."""


class Asked(dict[str, Any]):
    """An object of a vector that knows which of its fields the check has asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__({name: watch(value) for name, value in values.items()})
        self.asked: set[str] = set()

    def __getitem__(self, name: str, /) -> Any:
        self.asked.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object, /) -> bool:
        self.asked.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None, /) -> Any:
        self.asked.add(name)
        return super().get(name, default)

    def items(self) -> "dict_items[str, Any]":
        self.asked.update(self)
        return super().items()

    def __ror__(self, other: dict[str, Any], /) -> dict[str, Any]:  # type: ignore[override]
        return {**other, **dict(self.items())}


class Tally:
    """How many fields and numbers have been compared."""

    compared = 0


TALLY = Tally()


def watch(value: Any) -> Any:
    """Return a vector with its objects as `Asked`, at any depth."""
    if isinstance(value, dict):
        return Asked(value)
    return [watch(part) for part in value] if isinstance(value, list) else value


def find_unasked(value: Any, place: str = "") -> Iterator[str]:
    """Yield the places of fields that no check asked for: misspelled, or of another format."""
    if isinstance(value, list):
        for index, part in enumerate(value):
            yield from find_unasked(part, f"{place}[{index}]")
    elif isinstance(value, Asked):
        for name in sorted(value.keys() - NOTES):
            part, inner = dict.get(value, name), f"{place}.{name}" if place else name
            # A text is for people, who call what they write as they like.
            if name in value.asked or isinstance(part, Asked):
                yield from find_unasked(part, inner)
            elif not isinstance(part, str):
                yield inner


def compare(
    field: str, expected: Any, found: Any, tolerance: float = 0, digits: int | None = None
) -> None:
    """
    Pass numbers, and lists of them to any depth, that differ by no more than the tolerance.

    With `digits`, a number also passes that is the expected one when it is cut after so many.
    """
    TALLY.compared += 1
    if isinstance(expected, list):
        found = list(found) if isinstance(found, Sequence) else found
        if not isinstance(found, list) or len(expected) != len(found):
            raise Differs(field, expected, found)
        for index, (left, right) in enumerate(zip(expected, found, strict=True)):
            compare(f"{field}[{index}]", left, right, tolerance, digits)
    elif isinstance(expected, str | bool) or isinstance(found, str):
        if expected != found:
            raise Differs(field, expected, found)
    elif abs(expected - found) > tolerance and not is_cut(expected, found, digits):
        raise Differs(field, expected, found)


def is_cut(expected: float, found: float, digits: int | None) -> bool:
    """Say whether the expected number is the one found, cut after so many decimals."""
    return digits is not None and round(expected * 10**digits) == floor(found * 10**digits)


def to_sparse(rows: Sequence[Sequence[int]]) -> list[tuple[tuple[int, int], ...]]:
    """Return dense rows as (uid, value) pairs, zeros left out."""
    return [tuple((uid, value) for uid, value in enumerate(row) if value) for row in rows]


def to_dense(rows: Sequence[Sequence[tuple[int, int]]], count: int) -> list[list[int]]:
    """Return rows of (uid, value) pairs with their zeros."""
    return [[dict(row).get(uid, 0) for uid in range(count)] for row in rows]
