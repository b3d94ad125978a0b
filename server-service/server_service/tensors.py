"""Tensors on the wire: safetensors bodies, never pickle, read as if an enemy had written them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import orjson
import safetensors.numpy
from safetensors import SafetensorError

from server_service.domain.errors import MalformedTensors

CONTENT_TYPE = "application/octet-stream"
HEADER_BYTES_MAX = 4096
"""Of the JSON in front of the numbers. Ours need about 300."""
LENGTH_BYTES = 8
DTYPES = ("F32", "I32", "I64")
"""What the protocol uses. Others are refused before NumPy has to know them. Compared one by one,
which also works for what has no hash: a stranger's JSON may put a list there."""


@dataclass(frozen=True, eq=False)
class TensorBody:
    """The named arrays of one body, and the options beside them."""

    tensors: Mapping[str, npt.NDArray[np.generic]]
    options: Mapping[str, str]


def pack_tensors(
    tensors: Mapping[str, npt.NDArray[np.generic]], options: Mapping[str, str] | None = None
) -> bytes:
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    packed: bytes = safetensors.numpy.save(contiguous, dict(options or {}) or None)
    return packed


def unpack_tensors(body: bytes) -> TensorBody:
    """Raises `MalformedTensors`, and nothing else, for whatever bytes it is given."""
    header = parse_header(body)
    options = parse_options(header.pop("__metadata__", {}))
    check_dtypes(header)
    try:
        return TensorBody(safetensors.numpy.load(body), options)
    except (SafetensorError, ValueError, OverflowError, MemoryError) as error:
        raise MalformedTensors(f"not a safetensors body: {error}") from None


def parse_header(body: bytes) -> dict[str, object]:
    length = int.from_bytes(body[:LENGTH_BYTES], "little")
    if len(body) < LENGTH_BYTES or length > min(HEADER_BYTES_MAX, len(body) - LENGTH_BYTES):
        raise MalformedTensors("not a safetensors body: its header does not fit")
    try:
        header = orjson.loads(body[LENGTH_BYTES : LENGTH_BYTES + length])
    except orjson.JSONDecodeError:
        raise MalformedTensors("not a safetensors body: its header is not JSON") from None
    if not isinstance(header, dict):
        raise MalformedTensors("not a safetensors body: its header is not an object")
    return header


def parse_options(options: object) -> dict[str, str]:
    if not isinstance(options, dict) or not all(isinstance(v, str) for v in options.values()):
        raise MalformedTensors("the safetensors metadata must map strings to strings")
    return options


def check_dtypes(header: dict[str, object]) -> None:
    for name, entry in header.items():
        dtype = entry.get("dtype") if isinstance(entry, dict) else None
        if dtype not in DTYPES:
            raise MalformedTensors(f"{name!r}: expected one of {', '.join(DTYPES)}")
