"""Routing: the chain's opinion, and how each Server fares just now."""

from dataclasses import replace

from validator_service.domain.routing import (
    COOLING_SECONDS_MAX,
    Candidate,
    Health,
    after_failure,
    after_success,
    after_text,
    after_wait,
    expect_seconds,
    judge_patience,
    rank_servers,
)

FIRST, SECOND, THIRD = Candidate(1, 0.2), Candidate(2, 0.5), Candidate(3, 0.3)


def test_the_highest_incentive_is_asked_first() -> None:
    assert rank_servers([FIRST, SECOND, THIRD], now=0.0) == [2, 3, 1]


def test_before_anybody_was_paid_success_decides() -> None:
    health = after_success(after_failure(Health(), now=0.0))
    unpaid = [Candidate(1, 0.0, health), Candidate(2, 0.0), Candidate(3, 0.0)]

    assert rank_servers(unpaid, now=100.0) == [2, 3, 1]


def test_who_just_failed_is_asked_last_but_still_asked() -> None:
    failed = replace(SECOND, health=after_failure(Health(), now=10.0))

    assert rank_servers([FIRST, failed], now=10.5) == [1, 2]
    assert rank_servers([FIRST, failed], now=60.0) == [2, 1]


def test_after_its_rest_a_server_gets_one_call_until_that_went_well() -> None:
    health = after_failure(Health(), now=0.0)

    assert rank_servers([FIRST, replace(SECOND, health=health, load=1)], now=60.0) == [1, 2]
    well = after_success(health)
    assert rank_servers([FIRST, replace(SECOND, health=well, load=1)], now=60.0) == [2, 1]


def test_each_failure_in_a_row_doubles_the_rest_up_to_a_limit() -> None:
    health, pauses = Health(), []
    for _ in range(10):
        health = after_failure(health, now=0.0)
        pauses.append(health.cooling_until)

    assert pauses[:3] == [2.0, 4.0, 8.0]
    assert pauses[-1] == COOLING_SECONDS_MAX
    assert after_success(health).failures == 0


def test_a_slow_or_busy_server_is_worth_less() -> None:
    slow = Health()
    for _ in range(30):
        slow = after_text(after_wait(slow, 8.0), 0.2)

    assert rank_servers([replace(SECOND, health=slow), THIRD], now=0.0) == [3, 2]
    assert rank_servers([replace(SECOND, load=100), THIRD], now=0.0) == [3, 2]
    assert expect_seconds(replace(SECOND, load=8)) == 2 * expect_seconds(SECOND)


def test_by_speed_incentive_does_not_count() -> None:
    quick = replace(FIRST, health=after_wait(Health(), 0.0))

    assert rank_servers([quick, SECOND, THIRD], now=0.0, by_speed=True)[0] == 1


def test_who_read_the_beginning_before_is_preferred_among_near_equals() -> None:
    near = Candidate(4, 0.45)

    assert rank_servers([SECOND, near], now=0.0)[0] == 2
    assert rank_servers([SECOND, replace(near, favourite=True)], now=0.0)[0] == 4
    assert rank_servers([SECOND, replace(FIRST, favourite=True)], now=0.0)[0] == 2


def test_patience_ends_when_nearly_all_had_begun() -> None:
    assert judge_patience([0.1] * 19) is None
    assert judge_patience([0.1] * 19 + [5.0]) == 0.1
    assert judge_patience([0.1] * 18 + [3.0, 5.0]) == 3.0


def test_a_thousand_failures_in_a_row_are_a_rest_like_any_other() -> None:
    health = Health(failures=2_000)
    assert after_failure(health, now=0.0).cooling_until == COOLING_SECONDS_MAX
