"""The numbers of learning: how the rate moves, and what names a run."""

from dataclasses import replace

import pytest

from server_service.domain.recipe import (
    CONTEXT_TOKENS,
    STARTERS,
    STEP_TOKENS,
    WINDOW_TOKENS,
    Recipe,
    calculate_fingerprint,
    calculate_rate_factor,
    choose_window,
)

RECIPE = Recipe("tiny", steps=1000, seed=1)


def test_the_rate_rises_stays_and_falls() -> None:
    factors = [calculate_rate_factor(RECIPE, step) for step in range(RECIPE.steps)]

    assert factors[0] == pytest.approx(1 / 30)
    assert factors[29:200] == [1.0] * 171
    assert factors[600] == pytest.approx(0.5)
    assert factors[-1] == RECIPE.last_rate_factor
    assert factors[200:] == sorted(factors[200:], reverse=True)


def test_a_short_run_still_warms_up() -> None:
    short = replace(RECIPE, steps=3)

    assert all(0 < calculate_rate_factor(short, step) <= 0.1 for step in range(3))


def test_every_step_learns_from_as_many_tokens() -> None:
    windows = [choose_window(step) for step in range(16)]

    assert windows.count(CONTEXT_TOKENS) == 2
    assert set(windows) == {WINDOW_TOKENS, CONTEXT_TOKENS}
    assert all(STEP_TOKENS % window == 0 for window in windows)


def test_a_run_is_named_by_all_that_makes_it() -> None:
    base = calculate_fingerprint(RECIPE, "t", "c")
    others = {
        calculate_fingerprint(replace(RECIPE, seed=2), "t", "c"),
        calculate_fingerprint(replace(RECIPE, steps=9), "t", "c"),
        calculate_fingerprint(RECIPE, "u", "c"),
        calculate_fingerprint(RECIPE, "t", "d"),
    }

    assert base == calculate_fingerprint(RECIPE, "t", "c")
    assert len(others | {base}) == 5


def test_starters_differ_in_name_seed_and_length() -> None:
    assert [recipe.name for recipe in STARTERS] == ["acorn", "sapling", "birch", "oak"]
    assert len({recipe.seed for recipe in STARTERS}) == 4
    assert [recipe.steps for recipe in STARTERS] == sorted(recipe.steps for recipe in STARTERS)
