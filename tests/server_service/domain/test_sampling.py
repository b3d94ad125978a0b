"""Drawing tokens: as often as they are likely, and never one that was ruled out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_service.domain.sampling import Sampling, choose_token

PROBABILITIES = np.array([0.1, 0.4, 0.3, 0.2])
LOGITS = np.log(PROBABILITIES)
PLAIN = Sampling(temperature=1, top_p=1, top_k=0)


def shares(sampling: Sampling) -> list[float]:
    """How often each token is drawn, over evenly spread draws."""
    draws = (np.arange(1000) + 0.5) / 1000
    tokens = [choose_token(LOGITS, sampling, float(draw)).token for draw in draws]
    return [count / 1000 for count in np.bincount(tokens, minlength=4)]


def test_temperature_0_takes_the_likeliest() -> None:
    assert shares(Sampling(temperature=0, top_p=1, top_k=0)) == [0, 1, 0, 0]


def test_temperature_1_draws_the_models_own_shares() -> None:
    assert pytest.approx(PROBABILITIES, abs=0.002) == shares(PLAIN)


def test_temperature_2_flattens_by_the_square_root() -> None:
    flat = np.sqrt(PROBABILITIES) / np.sqrt(PROBABILITIES).sum()
    assert pytest.approx(flat, abs=0.002) == shares(Sampling(temperature=2, top_p=1, top_k=0))


def test_top_k_keeps_the_k_likeliest() -> None:
    expected = [0, 4 / 7, 3 / 7, 0]
    assert pytest.approx(expected, abs=0.002) == shares(Sampling(temperature=1, top_p=1, top_k=2))


def test_top_p_keeps_the_fewest_that_hold_so_much() -> None:
    expected = [0, 4 / 7, 3 / 7, 0]
    assert pytest.approx(expected, abs=0.002) == shares(Sampling(temperature=1, top_p=0.6, top_k=0))
    assert shares(Sampling(temperature=1, top_p=0.01, top_k=0)) == [0, 1, 0, 0]


def test_logprobs_are_the_models_own() -> None:
    choice = choose_token(LOGITS, Sampling(temperature=2, top_p=0.1, top_k=1), 0.5, top=2)
    assert pytest.approx(np.log(0.4)) == choice.logprob
    assert [token for token, _ in choice.top] == [1, 2]
    assert pytest.approx([np.log(0.4), np.log(0.3)]) == [logprob for _, logprob in choice.top]


@given(
    st.lists(st.floats(-200, 200), min_size=1, max_size=8),
    st.floats(0, 2),
    st.floats(0.001, 1),
    st.integers(0, 10),
    st.floats(0, 1, exclude_max=True),
)
def test_every_draw_is_a_token(
    logits: list[float], temperature: float, top_p: float, top_k: int, draw: float
) -> None:
    choice = choose_token(np.array(logits), Sampling(temperature, top_p, top_k), draw)
    assert 0 <= choice.token < len(logits)
    assert choice.logprob <= 1e-9
