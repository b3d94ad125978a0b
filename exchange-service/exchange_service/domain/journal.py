"""Commands as bytes: what the journal stores, each entry sealed with the hash of all before it."""

import hashlib
from enum import StrEnum
from typing import Any, Final, get_args, get_type_hints

import orjson

from exchange_service.domain.commands import Command

GENESIS_HASH: Final = b"\0" * 32

_COMMANDS: Final[dict[str, type]] = {command.__name__: command for command in get_args(Command)}
_ENUMS: Final[dict[str, list[tuple[str, type[StrEnum]]]]] = {
    name: [
        (field, kind)
        for field, kind in get_type_hints(command).items()
        if isinstance(kind, type) and issubclass(kind, StrEnum)
    ]
    for name, command in _COMMANDS.items()
}


def encode_command(command: Command) -> bytes:
    """Return the command as JSON, its name under `op`."""
    return orjson.dumps({"op": type(command).__name__, **command._asdict()})


def decode_command(payload: bytes) -> Command:
    """Return the command that `encode_command` wrote."""
    fields: dict[str, Any] = orjson.loads(payload)
    name = fields.pop("op")
    for field, kind in _ENUMS[name]:
        fields[field] = kind(fields[field])
    command: Command = _COMMANDS[name](**fields)
    return command


def seal(previous_hash: bytes, sequence: int, payload: bytes) -> bytes:
    """Return SHA-256 of previous hash, sequence number (8 bytes, big-endian) and payload."""
    return hashlib.sha256(previous_hash + sequence.to_bytes(8, "big") + payload).digest()
