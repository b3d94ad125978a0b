"""Prices are whole rao, rounded up."""

from hypothesis import given
from hypothesis import strategies as st

from validator_service.domain.pricing import Price, calculate_cost_rao


def test_part_of_a_rao_is_a_rao() -> None:
    price = Price(input_rao=1_000_000, output_rao=3_000_001)

    assert calculate_cost_rao(price, 0, 0) == 0
    assert calculate_cost_rao(price, 10, 0) == 10
    assert calculate_cost_rao(price, 10, 1) == 10 + 4


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**15), st.integers(0, 10**15))
def test_more_tokens_never_cost_less(prompt: int, completion: int, first: int, second: int) -> None:
    price = Price(input_rao=first, output_rao=second)

    assert calculate_cost_rao(price, prompt, completion) <= calculate_cost_rao(
        price, prompt + 1, completion + 1
    )
