"""Phrases hold all of a model's probability, by name or by the floor."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from server_service.domain.answers import check_next_phrases
from server_service.domain.phrases import build_next_phrases, normalise

VOCABULARY = 12


def test_the_likeliest_come_first_and_the_rest_share_the_floor() -> None:
    phrases = build_next_phrases(np.array([[0.1, 0.5, 0.25, 0.15]], np.float32), 2)
    assert phrases.ids.tolist() == [[[1], [2]]]
    assert pytest.approx([0.5, 0.25]) == phrases.probabilities[0].tolist()
    assert pytest.approx([0.125]) == phrases.floor.tolist()


def test_naming_every_token_leaves_no_floor() -> None:
    phrases = build_next_phrases(np.full((1, 4), 0.25, np.float32), 9)
    assert phrases.ids.shape == (1, 4, 1)
    assert phrases.floor.tolist() == [0]


@given(
    npst.arrays(np.float32, (3, VOCABULARY), elements=st.floats(-60, 60, width=32)),
    st.integers(1, VOCABULARY),
)
def test_what_is_built_passes_the_callers_check(logits: Any, top_k: int) -> None:
    phrases = build_next_phrases(normalise(logits), top_k)
    check_next_phrases(vars(phrases), batch=3, top_k=top_k, vocabulary_size=VOCABULARY)
    mass = phrases.probabilities.sum(axis=1) + (VOCABULARY - top_k) * phrases.floor
    np.testing.assert_allclose(1, mass, atol=1e-4)
