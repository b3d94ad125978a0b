"""The exponential by tables equals that by decimal digits, to the last bit."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_service.domain.exponential import exponentiate, exponentiate_decimally
from chain_service.domain.fixed import ONE


@settings(deadline=None)
@given(st.integers(-6 * ONE, 6 * ONE))
def test_both_find_the_same(exponent: int) -> None:
    assert exponentiate(exponent) == exponentiate_decimally(exponent)


@pytest.mark.parametrize("exponent", [0, 1, -1, ONE, -ONE, ONE - 1, 40 * ONE, -50 * ONE])
def test_whole_numbers_and_those_far_out_are_right_too(exponent: int) -> None:
    assert exponentiate(exponent) == exponentiate_decimally(exponent)


def test_nothing_to_the_power_is_one() -> None:
    assert exponentiate(0) == ONE
