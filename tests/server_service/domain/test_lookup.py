"""Knowing a text by heart."""

import numpy as np

from server_service.domain.lookup import KEY_TOKENS, TextIndex

TEXT = np.random.default_rng(3).integers(0, 2048, 5000)


def test_every_place_of_the_text_is_found() -> None:
    index = TextIndex(TEXT)
    for place in range(KEY_TOKENS, len(TEXT) - 1, 97):
        assert index.find_next(TEXT[:place]) == TEXT[place]


def test_what_is_not_in_the_text_is_not_found() -> None:
    index = TextIndex(TEXT)
    assert index.find_next(TEXT[:KEY_TOKENS][::-1]) is None
    assert index.find_next(TEXT[: KEY_TOKENS - 1]) is None
    assert index.find_next(TEXT) is None
    assert TextIndex(TEXT[:3]).find_next(TEXT) is None
