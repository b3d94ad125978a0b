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

from exchange_service.domain.commands import Command, PlaceOrder

GENESIS_HASH: Final = b"\0" * 32

Fields = TypeVar("Fields", bound=tuple[Any, ...])
Reader = Callable[[Any], Any]


def encode_command(command: Command) -> bytes:
    """Return the command as JSON."""
    return orjson.dumps((type(command).__name__, *command), default=_write_order)


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
    return kind(*row)


def _find_reader(kind: Any) -> Reader | None:
    """Return what turns a field's JSON into its type; None if it is that already."""
    if kind is PlaceOrder:
        return lambda row: _read(PlaceOrder, _READERS["PlaceOrder"], row)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {str(member): member for member in kind}.__getitem__
    return None


_COMMANDS: Final[dict[str, type]] = {command.__name__: command for command in get_args(Command)}
_READERS: Final[dict[str, list[tuple[int, Reader]]]] = {
    name: [
        (position, reader)
        for position, kind in enumerate(get_type_hints(command).values())
        if (reader := _find_reader(kind)) is not None
    ]
    for name, command in _COMMANDS.items()
}
