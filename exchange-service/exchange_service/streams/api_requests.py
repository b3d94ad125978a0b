"""Requests of the WebSocket API: from JSON to parameters, written as they were signed."""

import json
from collections.abc import Callable
from typing import Any, Final

import orjson

Request = tuple[Any, Any, dict[str, str]]
"""Which method is asked for, under which id, and the parameters by name."""

IDENTITY_LENGTH_MAX: Final = 36
INT64: Final = 2**63

DECODER: Final = json.JSONDecoder(parse_float=str)
"""Numbers with a point stay the text they were, which is what was signed."""


def read_request(text: str) -> Request:
    """Return a request; whatever a number can be written as, its parameters keep.

    orjson reads it three times as fast, if nothing in it can be read in two ways. Raises
    ValueError, TypeError, KeyError, AttributeError or RecursionError if it is none.
    """
    try:
        return _take_apart(orjson.loads(text), write_plain)
    except (ValueError, TypeError, KeyError, AttributeError):
        pass  # The other reader says what is wrong with it, if anything is.
    request = DECODER.decode(text)
    json.dumps(request, ensure_ascii=False).encode()  # Half of a surrogate pair is no text.
    return _take_apart(request, write_value)


def _take_apart(request: Any, write: Callable[[Any], str]) -> Request:
    identity = request.get("id")
    if not is_identity(identity):
        raise ValueError("no answer could carry this id")
    values = request.get("params") or {}
    for name in [name for name, value in values.items() if not isinstance(value, str)]:
        value = values.pop(name)
        if value is not None:
            values[name] = write(value)
    return request["method"], identity, values


def is_identity(value: Any) -> bool:
    """Tell whether a request may be called so: by a whole number of 64 bits, a text, or not."""
    if isinstance(value, str):
        return len(value) <= IDENTITY_LENGTH_MAX
    return value is None or (type(value) is int and -INT64 <= value < INT64)


def write_plain(value: Any) -> str:
    """Return a number without a point, or a truth, as the text that was signed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    raise TypeError("readers of JSON may differ about it")


def write_value(value: Any) -> str:
    """Return a parameter that is no text as the text that was signed."""
    if isinstance(value, int):
        return write_plain(value)
    return json.dumps(value, separators=(",", ":"))


def write_payload(values: dict[str, str]) -> bytes:
    """Return what is signed: the parameters sorted by name, not percent-encoded."""
    pairs = [f"{name}={values[name]}" for name in sorted(values) if name != "signature"]
    return "&".join(pairs).encode(errors="replace")
