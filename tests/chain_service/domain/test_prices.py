"""The three rules by which the prices of registration move, from block to block."""

from dataclasses import replace

import pytest

from chain_service.domain.blocks import make_genesis
from chain_service.domain.errors import InvalidParameters
from chain_service.domain.execution import Execution
from chain_service.domain.parameters import (
    LATER,
    NETWORK,
    PRESETS,
    ChainParameters,
    choose_parameters,
    read_parameters,
)
from chain_service.domain.prices import adjust_prices
from chain_service.domain.registration import burned_register
from chain_service.domain.state import State
from chain_service.domain.values import Account, Counters

BURN_RAO = 1_000_000_000


def after_interval(rule: str, works: int, burns: int) -> tuple[float, float]:
    """Return what an interval with so many registrations makes of difficulty and burn, relative."""
    parameters = replace(NETWORK, price_rule=rule, minimum_difficulty=1)
    before = Counters(
        height=parameters.adjustment_interval_blocks,
        difficulty=10**6,
        burn_rao=BURN_RAO,
        works_this_interval=works,
        burns_this_interval=burns,
    )
    after = adjust_prices(before, parameters)
    assert (after.works_this_interval, after.burns_this_interval) == (0, 0)
    return after.difficulty / before.difficulty, after.burn_rao / before.burn_rao


def test_doubling_looks_at_the_side_of_the_target_only() -> None:
    assert after_interval("doubling", works=3, burns=0) == (2, 0.5)
    assert after_interval("doubling", works=2, burns=30) == (0.5, 2)


def test_ratio_moves_each_price_by_how_far_it_is_from_the_target() -> None:
    assert after_interval("ratio", works=2, burns=6) == (1, 2)
    assert after_interval("ratio", works=0, burns=2) == (0.5, 1)


def test_a_burn_rises_as_it_is_paid_and_falls_to_half_in_a_half_life() -> None:
    parameters = replace(NETWORK, price_rule="half-life", minimum_burn_rao=1)
    state = State()
    state.counters = Counters(burn_rao=BURN_RAO, difficulty=1)
    state.accounts["owner"] = Account(10 * BURN_RAO, 0, 0)
    run = Execution(state, parameters, "owner")
    burned_register(run, "hot")
    assert state.counters.burn_rao == BURN_RAO * 126 // 100
    assert state.accounts["owner"].free_rao == 9 * BURN_RAO
    burned_register(run, "hotter")
    raised = state.counters.burn_rao
    assert raised == BURN_RAO * 126 * 126 // 10_000
    counters = state.counters
    for height in range(1, parameters.burn_half_life_blocks + 1):
        counters = adjust_prices(replace(counters, height=height), parameters)
    assert counters.burn_rao == pytest.approx(raised / 2, abs=parameters.burn_half_life_blocks)
    assert after_interval("half-life", works=3, burns=0)[0] == 2


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_an_older_chain_keeps_its_genesis(preset: ChainParameters) -> None:
    assert not set(LATER) & set(preset.as_json())
    assert read_parameters(preset.as_json()) == preset
    chosen = choose_parameters(preset.preset, {"price_rule": "ratio", "price_alpha_u64": "7"})
    assert read_parameters(chosen.as_json()) == chosen
    assert make_genesis(chosen, 0).header.block_hash != make_genesis(preset, 0).header.block_hash


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("price_rule", {"price_rule": "auction"}),
        ("target_registrations", {"price_rule": "ratio", "target_registrations_per_interval": 0}),
        ("burn_half_life_blocks", {"burn_half_life_blocks": 0}),
    ],
)
def test_rules_that_cannot_be_are_refused(name: str, changed: dict[str, str | int]) -> None:
    with pytest.raises(InvalidParameters, match=name):
        choose_parameters("network", changed)
