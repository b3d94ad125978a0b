"""Tensor bodies: they come back as sent, and arbitrary bytes are refused in one way."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_service.domain.errors import MalformedTensors
from server_service.tensors import pack_tensors, unpack_tensors


def frame(header: object, numbers: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def test_tensors_and_options_come_back() -> None:
    tokens = np.arange(6, dtype=np.int64).reshape(2, 3).T
    body = unpack_tensors(pack_tensors({"tokens": tokens}, {"top_k": "4"}))
    np.testing.assert_array_equal(tokens, body.tensors["tokens"])
    assert dict(body.options) == {"top_k": "4"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff" * 8,
        frame([]),
        frame({"tokens": 7}),
        frame({"tokens": {"dtype": [], "shape": [1], "data_offsets": [0, 8]}}),
        frame({"tokens": {"dtype": {}, "shape": [1], "data_offsets": [0, 8]}}),
        frame({"tokens": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}, b"\0\0"),
        frame({"tokens": {"dtype": "I64", "shape": [2], "data_offsets": [0, 8]}}, b"\0" * 8),
        frame({"tokens": {"dtype": "I64", "shape": [1 << 62, 8], "data_offsets": [0, 0]}}),
        frame({"tokens": {"dtype": "I64", "shape": [-1], "data_offsets": [0, 0]}}),
        frame({"__metadata__": {"top_k": 4}}),
        frame({"__metadata__": 7}),
        (1 << 63).to_bytes(8, "little") + b"{}",
        (9).to_bytes(8, "little") + b'{"a": NaN}',
    ],
)
def test_other_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(MalformedTensors):
        unpack_tensors(body)


@given(st.binary(max_size=64), st.integers(0, 255), st.integers(0, 120))
def test_damage_is_refused_or_harmless(tail: bytes, byte: int, at: int) -> None:
    body = bytearray(pack_tensors({"tokens": np.arange(4)}, {"top_k": "4"}) + tail)
    body[at % len(body)] = byte
    with contextlib.suppress(MalformedTensors):
        unpack_tensors(bytes(body))
