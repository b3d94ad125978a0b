"""A bucket that fills evenly."""

from validator_service.domain.limits import Bucket, refill, seconds_until


def test_a_bucket_fills_evenly_and_never_over() -> None:
    empty = Bucket(0.0, at=10.0)

    assert refill(empty, 40.0, per_minute=60).left == 30
    assert refill(empty, 400.0, per_minute=60).left == 60
    assert seconds_until(empty, 1, per_minute=60) == 1
    assert seconds_until(Bucket(5.0, 0.0), 1, per_minute=60) == 0
