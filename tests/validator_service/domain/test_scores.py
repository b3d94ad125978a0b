"""Scores: what pays, what does not, and what is forgotten."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validator_service.domain.scores import (
    MAXIMUM_SYNERGY_SHARE,
    Average,
    Judgement,
    Outcome,
    Rules,
    Standing,
    base_score,
    duplicate_clusters,
    hellinger_distances,
    judge_round,
    observe,
)

RULES = Rules()
VOCABULARY = 32


def outcome(uid: int, loss: float, *, model: int | None = None, hotkey: str = "") -> Outcome:
    """An answer of a Server that holds a model; the same model answers the same."""
    model = uid if model is None else model
    distributions = np.random.default_rng(model).dirichlet(np.full(VOCABULARY, 0.3), size=4)
    return Outcome(
        uid=uid,
        hotkey=hotkey or f"hotkey-{uid}",
        losses=np.full(8, loss),
        canary_losses=np.full(4, loss),
        canary_distributions=distributions,
    )


def silence(uid: int) -> Outcome:
    return Outcome(uid=uid, hotkey=f"hotkey-{uid}", losses=None)


def play(rounds: list[list[Outcome]]) -> Judgement:
    judgement = Judgement(standings={}, pairs={}, values={}, clusters=[])
    for outcomes in rounds:
        judgement = judge_round(outcomes, judgement.standings, judgement.pairs, RULES)
    return judgement


def score(judgement: Judgement, uid: int) -> float:
    return judgement.standings[uid].score.value


@pytest.mark.parametrize(
    ("loss", "root_of_parameters"),
    [(1.69, 297_200), (2.0, 98_130), (3.0, 6_812), (4.0, 1_026), (5.0, 236), (10.0, 2.5)],
)
def test_the_scaling_law_gives_the_originals_table(loss: float, root_of_parameters: float) -> None:
    assert root_of_parameters == pytest.approx(base_score(loss, RULES), rel=0.02)


def test_no_loss_below_the_floor_is_worth_more() -> None:
    assert base_score(RULES.loss_floor, RULES) == base_score(0.0, RULES)


def test_a_newcomer_is_not_starved() -> None:
    once = play([[outcome(1, 3.0)]])

    assert base_score(3.0, RULES) == pytest.approx(score(once, 1))


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_an_average_lies_between_the_least_and_the_greatest(values: list[float]) -> None:
    average = Average()
    for value in values:
        average = observe(average, value, 0.1)

    assert min(values) - 1e-9 <= average.value <= max(values) + 1e-9


@given(st.integers(0, 40))
def test_whoever_is_always_wrong_goes_to_zero(good_rounds: int) -> None:
    honest = [[outcome(1, 3.0), outcome(2, 3.0)]] * good_rounds
    turned = play(honest + [[outcome(1, 3.0), silence(2)]] * 150)

    assert score(turned, 2) <= 1e-5 * score(turned, 1)
    assert score(play([[silence(2)]] * 3), 2) == 0.0


def test_the_transform_sees_the_long_run_mean_and_never_one_batch() -> None:
    losses = [1.0, 5.0] * 40
    judgement = play([[outcome(1, loss)] for loss in losses])

    assert pytest.approx(judgement.standings[1].loss.value, abs=0.1) == 3.0
    assert judgement.values[1] == pytest.approx(base_score(3.0, RULES), rel=0.3)


def test_a_new_hotkey_on_an_old_uid_starts_again() -> None:
    judgement = play([[outcome(1, 2.0)]] * 5 + [[outcome(1, 4.0, hotkey="another")]])

    assert judgement.standings[1].hotkey == "another"
    assert judgement.standings[1].rounds == 1
    assert base_score(4.0, RULES) == pytest.approx(score(judgement, 1))


def test_whoever_was_not_asked_keeps_his_standing() -> None:
    before = play([[outcome(1, 2.0), outcome(2, 3.0)]])
    after = judge_round([outcome(1, 2.0)], before.standings, before.pairs, RULES)

    assert before.standings[2] == after.standings[2]


@given(st.integers(2, 6))
def test_copies_of_one_model_share_one_base(copies: int) -> None:
    alone = play([[outcome(0, 3.0)]] * 4)
    copied = play([[outcome(uid, 3.0, model=0) for uid in range(copies)]] * 4)

    assert [list(range(copies))] == copied.clusters
    assert score(alone, 0) == pytest.approx(sum(score(copied, uid) for uid in range(copies)))


def test_copies_stay_one_model_in_company_and_do_not_touch_the_others() -> None:
    three = play([[outcome(0, 3.0), outcome(1, 3.0, model=0), outcome(2, 3.0)]])

    assert three.clusters == [[0, 1]]
    assert score(three, 0) == pytest.approx(score(three, 2) / 2)


def test_two_that_complement_each_other_earn_more_within_limits() -> None:
    first = Outcome(1, "a", np.array([1.0, 6.0]), np.array([1.0, 6.0]), None)
    second = Outcome(2, "b", np.array([6.0, 1.0]), np.array([6.0, 1.0]), None)
    judgement = play([[first, second]])

    base = base_score(3.5, RULES)

    assert base / (1 - MAXIMUM_SYNERGY_SHARE) == pytest.approx(score(judgement, 1))


def test_two_that_know_the_same_earn_no_synergy() -> None:
    judgement = play([[outcome(1, 3.0), outcome(2, 3.0)]])

    assert base_score(3.0, RULES) == pytest.approx(score(judgement, 1))


def test_distance_is_zero_for_the_same_and_one_for_nothing_in_common() -> None:
    point = np.eye(VOCABULARY)
    distances = hellinger_distances(np.stack([point[:4], point[:4], point[4:8]]))

    np.testing.assert_allclose(distances[0], [0, 0, 1], atol=1e-7)


def test_a_model_in_lower_precision_is_still_the_same_model() -> None:
    honest = outcome(1, 3.0)
    assert honest.canary_distributions is not None
    noise = np.exp(np.random.default_rng(7).normal(0, 0.04, size=(4, VOCABULARY)))
    blurred = honest.canary_distributions * noise
    copy = Outcome(
        2, "b", honest.losses, honest.canary_losses, blurred / blurred.sum(axis=1, keepdims=True)
    )

    assert duplicate_clusters([honest, copy], RULES.duplicate_distance) == [[1, 2]]


def test_a_round_that_nobody_answers_is_still_a_round() -> None:
    judgement = judge_round([silence(1), silence(2)], {1: Standing(1, "hotkey-1")}, {}, RULES)

    assert judgement.values == {1: 0.0, 2: 0.0}
