"""A few of the kills that `make chaos-chain` makes 65 of."""

import random
from collections import Counter

from tests.chaos.chain import (
    HOLDERS,
    KILLS,
    WEB_KILLS,
    choose_targets,
    describe,
    run_chaos,
    tell_examples,
)


def test_fifty_kills_are_of_those_that_hold_something_and_the_seed_chooses_them() -> None:
    targets = choose_targets(KILLS, random.Random(3))

    times = Counter(targets)
    assert sum(times[holder] for holder in HOLDERS) == KILLS
    assert times["web"] == WEB_KILLS
    assert targets == choose_targets(KILLS, random.Random(3))
    assert targets != choose_targets(KILLS, random.Random(4))


def test_a_few_kills_lose_and_double_nothing() -> None:
    kills, count = run_chaos(kills=4, seed=3)
    assert Counter(one.target for one in kills)["web"] == 1
    assert len(kills) == 5
    assert count.sound, count
    page = describe(kills, count, 3)
    assert "4 times kill -9 of author, Postgres or Valkey" in page
    assert "| web | 1 |" in page


def test_the_page_tells_the_examples_that_came_before_the_kills() -> None:
    assert "1,000 examples of up to 60 steps" in tell_examples("1000")
    assert tell_examples("") == ""
