"""The signature at the end of a streamed answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_service.domain.errors import MalformedAnswer
from server_service.domain.streams import (
    append_signature,
    bytes_to_sign,
    is_end,
    split_signature,
)

SIGNATURE = "0a" * 64
LINES = b'{"token":1,"text":",\\"signature\\":\\""}\n'
END = b'{"finish_reason":"stop"}'


def test_what_was_signed_comes_back() -> None:
    answer = LINES + append_signature(END, SIGNATURE)
    assert (bytes_to_sign(LINES, END), SIGNATURE) == split_signature(answer)


def test_a_token_cannot_look_like_the_end() -> None:
    assert not is_end(LINES)
    assert is_end(append_signature(END, SIGNATURE))


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(answer: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        split_signature(answer)
