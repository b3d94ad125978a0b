"""The families of vectors that pin money: what a block mints, and how a payout is shared."""

from typing import Any

from chain_service.domain.parameters import MAINNET_2022
from chain_service.domain.staking import split_payout
from chain_service.domain.supply import calculate_issuance
from chain_service.laboratory.comparing import Family, Vector, compare

ERAS_OF_EQUAL_LENGTH = 10
"""From then on the original's rewards are rounded down, and its eras last longer."""
FORMULA_LAST, FORMULA_POINTS = 20_900_000_000_000_000, 2_000
"""The range that the original's test walks, and at how many points it is compared here."""
LAST_BLOCK = MAINNET_2022.blocks_per_era * (MAINNET_2022.halvings + 1)


def check_reward(vector: Vector, family: Family) -> None:
    """Compare the reward at the height where so much has been issued."""
    if "expected_final_issuance_rao" in vector:
        issued = 0
        for _ in range(100):
            issued += calculate_reward(issued) * MAINNET_2022.blocks_per_era
        name = "expected_final_issuance_rao"
        compare(name, vector[name], issued)
        return
    if "cases" not in vector:
        check_formula()
        return
    for number, case in enumerate(vector["cases"]):
        found = calculate_reward(case["issuance_rao"])
        compare(f"cases[{number}].emission_rao", case["emission_rao"], found)


def check_formula() -> None:
    """Compare floor(10^9 / 2^k) over the range; k is the last with 2^k · (S − issued) ≤ S."""
    supply = 2 * MAINNET_2022.block_reward_rao * MAINNET_2022.blocks_per_era
    points = [FORMULA_LAST * part // FORMULA_POINTS for part in range(FORMULA_POINTS + 1)]
    edges = [supply - (supply >> k) + near for k in range(1, 8) for near in (-1, 0, 1)]
    for issued in (*points, *edges):
        halvings = (supply // (supply - issued)).bit_length() - 1
        expected = MAINNET_2022.block_reward_rao >> halvings
        compare(f"emission at {issued} rao", expected, calculate_reward(issued))


def check_schedule(schedule: Vector, family: Family) -> None:
    """Compare the eras of the derived schedule as far as they are this chain's."""
    for number, era in enumerate(schedule["eras"]):
        field = f"eras[{number}]."
        end = (era["k"] + 1) * MAINNET_2022.blocks_per_era
        start, issued_rao = era.get("era_start_block"), era["era_start_issuance_rao"]
        if number < ERAS_OF_EQUAL_LENGTH:
            compare(field + "era_start_block", start, end - MAINNET_2022.blocks_per_era)
            found_rao = calculate_issuance(end - MAINNET_2022.blocks_per_era, MAINNET_2022)
            compare(field + "era_start_issuance_rao", issued_rao, found_rao)
        reward = MAINNET_2022.block_reward_rao >> era["k"]
        compare(field + "reward_rao", era["reward_rao"], reward)
        threshold = calculate_issuance(end, MAINNET_2022)
        # The schedule rounds a threshold up, issuance is rounded down.
        compare(field + "threshold_issuance_rao", era["threshold_issuance_rao"], threshold, 1)


def calculate_reward(issued_rao: int) -> int:
    """Return floor(reward) of the block that follows the last one with at most so much issued."""
    low, high = 0, LAST_BLOCK
    while low < high:
        middle = (low + high + 1) // 2
        if calculate_issuance(middle, MAINNET_2022) <= issued_rao:
            low = middle
        else:
            high = middle - 1
    return MAINNET_2022.block_reward_rao >> low // MAINNET_2022.blocks_per_era


def check_delegation(vector: Vector, family: Family) -> None:
    take = family["params"]["take_u16"] if vector.get("delegate", True) else None
    before: dict[str, Any] = vector["before"]
    parts = split_payout(vector["validator_emission"], vector["owner"], before, take)
    for name, expected in vector["after"].items():
        compare(f"after.{name}", expected, before.get(name, 0) + parts.get(name, 0))
