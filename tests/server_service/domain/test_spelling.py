"""Answering for one vocabulary by another, through text."""

import numpy as np
import pytest

from server_service.domain.spelling import Spelling, bytes_of_characters, read_row

NETWORK = {0: b"", 1: b"a", 2: b"b", 3: b"ab", 4: b" ", 5: b"\xc3", 6: b"\xa9"}
"""0 ends a text; 5 and 6 are the halves of é."""
MODEL = ["ab", "abb", "b", " ", "a", ""]


def encode_network(text: str) -> list[int]:
    """The longest token first."""
    ids = []
    while text:
        known = [n for n, token in NETWORK.items() if token and text.encode().startswith(token)]
        best = max(known, key=lambda n: len(NETWORK[n]))
        ids.append(best)
        text = text.encode()[len(NETWORK[best]) :].decode(errors="replace").lstrip("\ufffd")
    return ids


def encode_model(text: str) -> tuple[list[int], list[int]]:
    """One model token for each run of "ab", one for each other character."""
    ids, ends, place = [], [], 0
    while place < len(text):
        token = next((t for t in MODEL[:5] if text.startswith(t, place)), text[place])
        place += len(token)
        ids.append(MODEL.index(token) if token in MODEL else 9)
        ends.append(place)
    return ids, ends


def read(row: list[int]) -> tuple[tuple[int, ...], tuple[int, ...], tuple[str, ...]]:
    reading = read_row(row, NETWORK, encode_model, {0: 7})
    return reading.ids, reading.places, reading.begun


def test_a_row_is_read_with_the_places_where_tokens_end() -> None:
    assert read([3, 2, 4]) == ((0, 2, 3), (1, 2, 3), ("", "", ""))


def test_a_token_that_ends_inside_another_leaves_begun_text() -> None:
    assert read([1, 2]) == ((0,), (0, 1), ("a", ""))


def test_half_characters_wait_for_the_rest() -> None:
    assert read([5, 6, 1]) == ((9, 4), (0, 1, 2), ("", "", ""))


def test_the_end_of_a_text_stays_one() -> None:
    assert read([1, 0, 2]) == ((4, 7, 2), (1, 2, 3), ("", "", ""))


def test_probabilities_of_tokens_that_begin_alike_are_added() -> None:
    spelling = Spelling(MODEL, encode_network, len(NETWORK))
    p = np.array([0.3, 0.2, 0.1, 0.1, 0.1, 0.2], np.float32)
    translated = spelling.translate(p)
    expected = np.array([0, 0.1, 0.1, 0.5, 0.1, 0, 0]) / 0.8
    np.testing.assert_allclose(translated, expected, rtol=1e-6)


def test_begun_text_rules_out_what_does_not_go_on_from_it() -> None:
    spelling = Spelling(MODEL, encode_network, len(NETWORK))
    p = np.array([0.3, 0.2, 0.1, 0.1, 0.1, 0.2], np.float32)
    assert spelling.translate(p, "a") == pytest.approx([0, 0, 1, 0, 0, 0, 0])
    assert spelling.translate(p, "é").sum() == 0


def test_the_alphabet_of_bytes_is_complete() -> None:
    alphabet = bytes_of_characters()
    assert sorted(alphabet.values()) == list(range(256))
    assert (alphabet["Ġ"], alphabet["Ċ"], alphabet["a"]) == (32, 10, 97)
