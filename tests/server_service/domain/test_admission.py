"""Who is admitted, and how often."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_service.domain.admission import (
    Bucket,
    Callers,
    ChainUnseen,
    NotRegistered,
    Rate,
    RateLimited,
    StakeTooLow,
    check_caller,
    take_token,
)
from taonet.kit.names import Hotkey

ALICE, BOB = Hotkey("alice"), Hotkey("bob")
CALLERS = Callers(7, {ALICE: 100})


def test_a_registered_caller_brings_its_stake() -> None:
    assert check_caller(CALLERS, ALICE, 100) == 100


def test_each_reason_has_its_own_name() -> None:
    with pytest.raises(ChainUnseen):
        check_caller(None, ALICE, 0)
    with pytest.raises(NotRegistered, match="block 7"):
        check_caller(CALLERS, BOB, 0)
    with pytest.raises(StakeTooLow, match="101 rao"):
        check_caller(CALLERS, ALICE, 101)


def test_a_burst_passes_and_then_the_rate_holds() -> None:
    rate, bucket = Rate(per_second=2, burst=3), None
    for _ in range(3):
        bucket = take_token(bucket, rate, 10.0)
    with pytest.raises(RateLimited):
        take_token(bucket, rate, 10.4)
    take_token(bucket, rate, 10.5)


@given(st.lists(st.floats(0, 10), max_size=60))
def test_never_more_than_the_burst_and_the_rate(gaps: list[float]) -> None:
    rate = Rate(per_second=0.5, burst=4)
    bucket: Bucket | None = None
    now, passed = 0.0, 0
    for gap in gaps:
        now += gap
        try:
            bucket = take_token(bucket, rate, now)
            passed += 1
        except RateLimited:
            continue
    assert passed <= rate.burst + rate.per_second * now + 1e-6


def test_a_clock_that_goes_back_gives_nothing() -> None:
    rate = Rate(per_second=1, burst=1)
    bucket = take_token(None, rate, 10.0)
    with pytest.raises(RateLimited):
        take_token(bucket, rate, 5.0)
