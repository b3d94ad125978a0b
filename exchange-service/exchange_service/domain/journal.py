"""Commands as bytes: what the journal stores, each entry sealed with the hash of all before it.

An entry is a JSON array, the command's name and then its fields in order; an order inside another
command is an array of its own fields. New fields come last and have a default, so that a journal
can be read for ever.
"""

import hashlib
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, TypeVar, get_args, get_type_hints

import orjson

from exchange_service.domain.commands import CancelOrder, Command, PlaceOrder, ReplaceOrder
from exchange_service.domain.facts import Fact, Half, ReplaceRefused

GENESIS_HASH: Final = b"\0" * 32
ORDERS_INSIDE: Final = {"ReplaceOrder": ("order",), "PlaceOrderPair": ("above", "below")}
"""Which fields of which commands are orders."""

Fields = TypeVar("Fields", bound=tuple[Any, ...])
Reader = Callable[[Any], Any]


def encode_command(command: Command) -> bytes:
    """Return the command as JSON."""
    return orjson.dumps((type(command).__name__, *command), default=_write_order)


def settle_command(command: Command, facts: list[Fact]) -> Command:
    """Return what the journal keeps of a command that did what these facts say.

    A replacement whose order was refused is the cancellation that was left of it: a replay does
    not ask every limit (`State.enforcing`), and must not place what was not placed.
    """
    if isinstance(command, ReplaceOrder):
        last = facts[-1]
        if isinstance(last, ReplaceRefused) and last.half is Half.ORDER:
            return CancelOrder(
                command.time_ms,
                command.account_id,
                command.order_id,
                command.client_order_id,
                command.restriction,
                command.cancel_id,
            )
    return command


def decode_command(payload: bytes) -> Command:
    """Return the command that `encode_command` wrote."""
    return read_command(orjson.loads(payload))


def read_command(row: list[Any]) -> Command:
    """Return the command of a decoded entry."""
    name = row[0]
    command: Command = _read(_COMMANDS[name], _READERS[name], row[1:])
    return command


def read_fields(kind: type[Fields], row: list[Any]) -> Fields:
    """Return a named tuple, such as a command, from its fields as JSON has them."""
    return _read(kind, _READERS[kind.__name__], row)


def seal(previous_hash: bytes, sequence: int, payload: bytes) -> bytes:
    """Return SHA-256 of previous hash, sequence number (8 bytes, big-endian) and payload."""
    return hashlib.sha256(previous_hash + sequence.to_bytes(8, "big") + payload).digest()


def _write_order(value: Any) -> Any:
    if isinstance(value, PlaceOrder):
        return tuple(value)
    raise TypeError(f"{type(value).__name__} is no part of a command")


def _read(kind: type[Fields], readers: list[tuple[int, Reader]], row: list[Any]) -> Fields:
    for position, reader in readers:
        if position < len(row):
            row[position] = reader(row[position])
    if len(row) == len(kind._fields):  # type: ignore[attr-defined]
        # What the class itself does with all its fields, without a call of Python in between.
        made: Fields = _make_tuple(kind, row)
        return made
    return kind(*row)


def _read_order(row: list[Any]) -> PlaceOrder:
    return _read(PlaceOrder, _READERS["PlaceOrder"], row)


def _find_readers(command: Any) -> list[tuple[int, Reader]]:
    """Return what turns JSON into a field's type, for each field that JSON has no type for."""
    readers: list[tuple[int, Reader]] = []
    # By name, for compiled classes do not know the annotation of a field that is a tuple.
    hints = get_type_hints(command) | dict.fromkeys(ORDERS_INSIDE.get(command.__name__, ()))
    for position, kind in enumerate(hints.values()):
        if kind is None:
            readers.append((position, _read_order))
        elif isinstance(kind, type) and issubclass(kind, StrEnum):
            readers.append((position, {str(member): member for member in kind}.__getitem__))
    return readers


_make_tuple: Final[Any] = tuple.__new__
_COMMANDS: Final[dict[str, type]] = {command.__name__: command for command in get_args(Command)}
_READERS: Final[dict[str, list[tuple[int, Reader]]]] = {
    name: _find_readers(command) for name, command in _COMMANDS.items()
}
