"""The schedule of issuance follows from the genesis, whatever its parameters are."""

from dataclasses import replace

import pytest

from chain_service.domain.parameters import NETWORK
from taonet.explorer.rendering import day, reward
from taonet.explorer.schedule import Schedule
from taonet.kit.money import RAO_PER_TAO

SCHEDULE = Schedule(NETWORK)
ERA, HALVINGS = NETWORK.blocks_per_era, NETWORK.halvings
SHORT = Schedule(
    replace(NETWORK, blocks_per_era=100, halvings=3, block_reward_rao=RAO_PER_TAO // 2)
)


@pytest.mark.parametrize(
    ("height", "number", "blocks_left"),
    [(0, 1, ERA + 1), (1, 1, ERA), (ERA, 1, 1), (ERA + 1, 2, ERA)],
)
def test_the_first_block_of_an_era_pays_half(height: int, number: int, blocks_left: int) -> None:
    halving = SCHEDULE.find_halving(height, 12.0)

    assert halving is not None
    assert (number, blocks_left) == (halving.number, halving.blocks_left)


def test_after_the_last_halving_there_is_none() -> None:
    assert SCHEDULE.find_halving(HALVINGS * ERA, 12.0) is not None
    assert SCHEDULE.find_halving(HALVINGS * ERA + 1, 12.0) is None


@pytest.mark.parametrize(("seconds", "words"), [(12.0, "3.99 years"), (2.0, "243.1 days")])
def test_distance_is_told_in_the_unit_that_reads_best(seconds: float, words: str) -> None:
    halving = SCHEDULE.find_halving(1, seconds)

    assert halving is not None
    assert words == halving.distance


def test_the_schedule_ends_below_its_cap() -> None:
    eras = SCHEDULE.list_eras()

    assert len(eras) == 65
    assert (eras[1].first_height, eras[1].issued_percent) == (10_500_001, "50.000000")
    assert eras[64].issued_before_rao < SCHEDULE.supply_max_rao == 21_000_000 * RAO_PER_TAO
    assert eras[64].issued_percent == "99.999999"
    assert (reward(eras[0].reward_rao), reward(eras[3].reward_rao)) == ("1", "0.125")
    assert reward(eras[40].reward_rao) == "9.1e-13"
    assert day(4e15) == "year 128,724"


def test_another_genesis_has_other_eras() -> None:
    halving = SHORT.find_halving(101, 2.0)

    assert halving is not None
    assert (halving.number, halving.height) == (2, 201)
    assert [SHORT.era_at(height) for height in (0, 100, 101, 301, 10**6)] == [0, 0, 1, 3, 3]
    assert SHORT.find_halving(301, 2.0) is None
    assert SHORT.supply_max_rao == 100 * RAO_PER_TAO
    assert [era.issued_percent for era in SHORT.list_eras()[1:]] == [
        *("50.000000", "75.000000", "87.500000")
    ]
