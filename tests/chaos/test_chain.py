"""A few of the kills that `make chaos-chain` makes fifty of."""

from tests.chaos.chain import run_chaos


def test_a_few_kills_lose_and_double_nothing() -> None:
    kills, count = run_chaos(kills=4, seed=3)
    assert len(kills) == 4
    assert count.sound, count
