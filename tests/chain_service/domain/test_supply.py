"""The supply: exact, halved 64 times, never above its cap."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from chain_service.domain.parameters import MAINNET_2022
from chain_service.domain.supply import calculate_issuance, calculate_mint

CAP_RAO = 21_000_000 * 10**9
ERA = MAINNET_2022.blocks_per_era
LAST_BLOCK = ERA * 65
SCHEDULES = Path(__file__).parents[2] / "vectors" / "derived_emission_schedules.json"


def test_the_first_ten_eras_equal_the_derived_schedule() -> None:
    for era in json.loads(SCHEDULES.read_text())["by_issuance"]["eras"][:10]:
        start = era["era_start_block"]
        assert era["reward_rao"] == calculate_mint(start + 1, MAINNET_2022)
        assert era["era_start_issuance_rao"] == calculate_issuance(start, MAINNET_2022)


def test_issuance_starts_at_nothing_and_ends_just_below_the_cap() -> None:
    assert calculate_issuance(0, MAINNET_2022) == 0
    assert calculate_issuance(LAST_BLOCK, MAINNET_2022) == CAP_RAO - 1
    assert calculate_issuance(LAST_BLOCK * 10, MAINNET_2022) == CAP_RAO - 1


def test_all_64_halvings_are_real() -> None:
    # With blocks worth 2^64 rao the 65 rewards are whole numbers: each must be half the last.
    parameters = replace(MAINNET_2022, block_reward_rao=2**64 - 2**0, blocks_per_era=3)
    exact = [Fraction(parameters.block_reward_rao, 2**era) * 3 for era in range(65)]
    for eras in range(66):
        assert sum(exact[:eras]) // 1 == calculate_issuance(3 * eras, parameters)


@given(st.integers(min_value=1, max_value=LAST_BLOCK + 10))
def test_issuance_is_the_floor_of_the_exact_sum(height: int) -> None:
    era, blocks = divmod(height, ERA)
    rewards = [Fraction(10**9, 2**k) for k in range(65)] + [Fraction(0)] * 2
    exact = sum(reward * ERA for reward in rewards[:era]) + rewards[era] * blocks
    assert exact // 1 == calculate_issuance(height, MAINNET_2022) <= CAP_RAO
    assert 0 <= calculate_mint(height, MAINNET_2022) <= 10**9
