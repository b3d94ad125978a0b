"""Routing: the chain's opinion and recent experience, together."""

from validator_service.domain.routing import (
    COOLING_SECONDS_MAX,
    Health,
    after_failure,
    after_success,
    rank_servers,
)


def test_the_highest_incentive_is_asked_first() -> None:
    assert rank_servers({1: 0.2, 2: 0.5, 3: 0.3}, {}, now=0.0) == [2, 3, 1]


def test_before_anybody_was_paid_success_decides() -> None:
    health = {1: after_success(after_failure(Health(), now=0.0))}

    assert rank_servers({1: 0.0, 2: 0.0, 3: 0.0}, health, now=100.0) == [2, 3, 1]


def test_who_just_failed_is_asked_last_but_still_asked() -> None:
    health = {2: after_failure(Health(), now=10.0)}

    assert rank_servers({1: 0.1, 2: 0.9}, health, now=10.5) == [1, 2]
    assert rank_servers({1: 0.1, 2: 0.9}, health, now=60.0) == [2, 1]


def test_each_failure_in_a_row_doubles_the_rest_up_to_a_limit() -> None:
    health, pauses = Health(), []
    for _ in range(10):
        health = after_failure(health, now=0.0)
        pauses.append(health.cooling_until)

    assert pauses[:3] == [2.0, 4.0, 8.0]
    assert pauses[-1] == COOLING_SECONDS_MAX
    assert after_success(health).failures == 0
