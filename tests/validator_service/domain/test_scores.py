"""Scores: what pays, what does not, and what is forgotten."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.validator_service.domain.roots import make_fingerprints

from validator_service.domain.averages import Averages, no_averages
from validator_service.domain.outcomes import Outcome, gather_round
from validator_service.domain.prompts import RoundSeed
from validator_service.domain.scores import (
    MAXIMUM_SYNERGY_SHARE,
    PARTNERS,
    Judgement,
    Rules,
    Standings,
    base_scores,
    judge_round,
    strangers,
)

RULES = Rules(probation_rounds=1)
VOCABULARY = 32
SEED = RoundSeed("ab" * 32, "secret", 1)
NOBODY = strangers(np.array([], dtype=np.int64), ())


class Player:
    """A Server in one round: who it is, what it holds, how wrong and how slow it was."""

    def __init__(
        self,
        uid: int,
        loss: float | None,
        *,
        model: int | None = None,
        hotkey: str = "",
        seconds: float = 0.1,
        canary_losses: list[float] | None = None,
        by_heart: float = 0.0,
    ) -> None:
        self.uid, self.hotkey, self.seconds = uid, hotkey or f"hotkey-{uid}", seconds
        self.outcome = None
        if loss is not None:
            random = np.random.default_rng(uid if model is None else model)
            told = random.dirichlet(np.full(VOCABULARY, 0.3), size=(1, 4))
            canaries = np.array(canary_losses or [loss] * 4)
            self.outcome = Outcome(loss, canaries, make_fingerprints(told)[0], by_heart)


def judge(players: list[Player], known: Standings = NOBODY, rules: Rules = RULES) -> Judgement:
    uids = np.array([player.uid for player in players])
    standings = known.recall(uids, tuple(player.hotkey for player in players))
    outcomes = [player.outcome for player in players]
    seconds = [player.seconds for player in players]
    return judge_round(standings, gather_round(outcomes, seconds, SEED, VOCABULARY), rules)


def play(rounds: list[list[Player]], rules: Rules = RULES) -> Judgement:
    """Judge rounds in which the same uids are asked."""
    judgement = judge(rounds[0], rules=rules)
    for players in rounds[1:]:
        judgement = judge(players, judgement.standings, rules)
    return judgement


def base(loss: float) -> float:
    return float(base_scores(np.array([loss]), RULES)[0])


def score(judgement: Judgement, uid: int) -> float:
    row = judgement.standings.uids.tolist().index(uid)
    return float(judgement.standings.score.value[row])


@pytest.mark.parametrize(
    ("loss", "root_of_parameters"),
    [(1.69, 297_200), (2.0, 98_130), (3.0, 6_812), (4.0, 1_026), (5.0, 236), (10.0, 2.5)],
)
def test_the_scaling_law_gives_the_originals_table(loss: float, root_of_parameters: float) -> None:
    assert root_of_parameters == pytest.approx(base(loss), rel=0.02)


def test_no_loss_below_the_floor_is_worth_more() -> None:
    assert base(RULES.loss_floor) == base(0.0)


def test_a_newcomer_is_not_starved() -> None:
    assert base(3.0) == pytest.approx(score(play([[Player(1, 3.0)]]), 1))


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_an_average_lies_between_the_least_and_the_greatest(values: list[float]) -> None:
    average = no_averages(1)
    for value in values:
        average = average.observe(np.array([value]), 0.1)

    assert min(values) - 1e-9 <= average.value[0] <= max(values) + 1e-9


def test_only_those_that_told_a_value_move() -> None:
    before = Averages(np.array([1.0, 1.0]), np.array([0.5, 0.5]))
    after = before.observe(np.array([9.0, 9.0]), 0.1, np.array([True, False]))

    assert after.value[0] > before.value[0]
    assert (after.total[1], after.weight[1]) == (1.0, 0.5)


@settings(deadline=None)
@given(st.integers(0, 40))
def test_whoever_is_always_wrong_goes_to_zero(good_rounds: int) -> None:
    honest = [[Player(1, 3.0), Player(2, 3.0)]] * good_rounds
    turned = play(honest + [[Player(1, 3.0), Player(2, None)]] * 150)

    assert score(turned, 2) <= 1e-5 * score(turned, 1)
    assert score(play([[Player(2, None)]] * 3), 2) == 0.0


def test_the_transform_sees_the_long_run_mean_and_never_one_batch() -> None:
    judgement = play([[Player(1, loss)] for loss in [1.0, 5.0] * 40])

    assert judgement.standings.loss.value[0] == pytest.approx(3.0, abs=0.1)
    assert judgement.values[0] == pytest.approx(base(3.0), rel=0.3)


def test_a_new_hotkey_on_an_old_uid_starts_again() -> None:
    judgement = play([[Player(1, 2.0)]] * 5 + [[Player(1, 4.0, hotkey="another")]])

    assert judgement.standings.hotkeys == ("another",)
    assert judgement.standings.rounds.tolist() == [1]
    assert base(4.0) == pytest.approx(score(judgement, 1))


@settings(deadline=None)
@given(st.integers(2, 6))
def test_copies_of_one_model_are_paid_once(copies: int) -> None:
    alone = play([[Player(0, 3.0)]] * 4)
    copied = play([[Player(uid, 3.0, model=0) for uid in range(copies)]] * 4)

    assert set(copied.clusters.tolist()) == {0}
    assert score(alone, 0) == pytest.approx(sum(score(copied, uid) for uid in range(copies)))


def test_of_those_that_answer_alike_the_fastest_is_paid_whoever_came_first() -> None:
    """One that fetches his answers from another must wait for them."""
    relay, origin, other = (1, 0.15), (2, 0.10), (3, 0.30)
    first = [Player(relay[0], 6.0, model=8, seconds=0.01), Player(3, 3.0, seconds=0.3)]
    squatting = [judge(first)]
    for _ in range(60):
        players = [
            Player(relay[0], 3.0, model=7, seconds=relay[1]),
            Player(origin[0], 3.0, model=7, seconds=origin[1]),
            Player(other[0], 3.0, seconds=other[1]),
        ]
        squatting.append(judge(players, squatting[-1].standings))

    last = squatting[-1]
    assert last.clusters.tolist() == [0, 0, 2]
    assert last.values[0] == 0.0
    assert last.values[1] == pytest.approx(last.values[2], rel=1e-6)


def test_two_that_complement_each_other_earn_more_within_limits() -> None:
    players = [
        Player(1, 3.5, canary_losses=[1.0, 6.0, 1.0, 6.0]),
        Player(2, 3.5, canary_losses=[6.0, 1.0, 6.0, 1.0]),
    ]

    assert base(3.5) / (1 - MAXIMUM_SYNERGY_SHARE) == pytest.approx(score(play([players]), 1))


def test_two_that_know_the_same_earn_no_synergy() -> None:
    assert base(3.0) == pytest.approx(score(play([[Player(1, 3.0), Player(2, 3.0)]]), 1))


@pytest.mark.parametrize("servers", [PARTNERS - 1, PARTNERS, 2 * PARTNERS + 3])
def test_synergy_is_looked_for_in_networks_of_every_size(servers: int) -> None:
    losses = [[2.9, 3.1, 2.9, 3.1], [3.1, 2.9, 3.1, 2.9]]
    players = [Player(uid, 3.0, canary_losses=losses[uid % 2]) for uid in range(servers)]

    judgement = play([players])

    assert (judgement.values > base(3.0)).all()
    assert (judgement.values < base(3.0) / (1 - MAXIMUM_SYNERGY_SHARE)).all()


def test_whoever_knows_the_text_by_heart_is_worth_nothing() -> None:
    memory, model = Player(1, 0.1, by_heart=0.8), Player(2, 3.0, by_heart=0.05)
    judgement = play([[memory, model]] * 6, Rules())

    assert score(judgement, 1) == 0
    assert score(judgement, 2) == pytest.approx(base(3.0))


def test_a_newcomers_first_rounds_do_not_count_against_it() -> None:
    rules = Rules(probation_rounds=4)

    assert score(play([[Player(1, 3.0)]] * 3, rules), 1) == 0
    assert score(play([[Player(1, 3.0)]] * 4, rules), 1) == pytest.approx(base(3.0))


def test_a_round_that_nobody_answers_is_still_a_round() -> None:
    judgement = play([[Player(1, None), Player(2, None)]])

    assert judgement.values.tolist() == [0.0, 0.0]
    assert judgement.clusters.tolist() == [-1, -1]
    assert judgement.standings.rounds.tolist() == [1, 1]


def test_thousands_are_judged_as_few_are() -> None:
    """Whoever has no part in a synergy or a cluster is worth the same in any company."""
    alone = play([[Player(7, 3.0)]], RULES)
    crowd = play([[Player(uid, 3.0) for uid in range(300)]], RULES)

    assert crowd.values[7] == pytest.approx(alone.values[0])
