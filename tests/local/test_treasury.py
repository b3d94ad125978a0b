"""The operators' purse: what it sends, and what it takes back before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taonet.local.treasury import NEURON_STAKE_RAO, missing, plan_withdrawals

STAKES = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 10**12), max_size=6)


@pytest.mark.parametrize(("balance_rao", "expected"), [(0, 10), (4, 6), (5, 0), (10, 0), (11, 0)])
def test_only_below_the_floor_anything_is_missing(balance_rao: int, expected: int) -> None:
    assert missing(balance_rao, floor_rao=5, target_rao=10) == expected


def test_the_richest_gives_first() -> None:
    kept = NEURON_STAKE_RAO

    assert plan_withdrawals({"a": kept + 5, "b": kept + 50, "c": kept}, 52) == {"b": 50, "a": 2}


@given(STAKES, st.integers(0, 10**13))
def test_nobody_gives_what_it_must_keep_nor_all_more_than_is_wanted(
    stakes: dict[str, int], wanted_rao: int
) -> None:
    plan = plan_withdrawals(stakes, wanted_rao)

    assert sum(plan.values()) <= wanted_rao
    assert all(0 < taken <= stakes[hotkey] - NEURON_STAKE_RAO for hotkey, taken in plan.items())
    spare = sum(max(stake - NEURON_STAKE_RAO, 0) for stake in stakes.values())
    assert sum(plan.values()) == min(wanted_rao, spare)
