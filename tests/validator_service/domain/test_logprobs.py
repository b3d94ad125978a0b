"""Numbers that JSON can hold, and the bytes behind a vocabulary's letters."""

import math

import pytest

from validator_service.domain.logprobs import byte_alphabet, clean_logprob, read_token


@pytest.mark.parametrize(
    ("told", "shown"),
    [(-1.5, -1.5), (0.3, 0.0), (-math.inf, -9999.0), (math.nan, -9999.0), (-1e9, -9999.0)],
)
def test_a_servers_number_becomes_one_that_can_be(told: float, shown: float) -> None:
    assert clean_logprob(told) == shown


def test_every_byte_has_a_letter_of_its_own() -> None:
    alphabet = byte_alphabet()

    assert sorted(alphabet.values()) == list(range(256))
    assert alphabet["Ġ"] == ord(" ")
    assert read_token("Ã¼Ġx", alphabet).decode() == "ü x"
    assert read_token("日", alphabet).decode() == "日"
