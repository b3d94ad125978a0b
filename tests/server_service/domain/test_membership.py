"""When a Server registers, announces, or rests."""

from dataclasses import replace

import pytest

from server_service.domain.membership import Announcement, Step, decide_step

HERE = Announcement("10.0.0.1", 8091, "acorn")


@pytest.mark.parametrize(
    ("registered", "announced", "since", "step"),
    [
        (False, None, None, Step.REGISTER),
        (False, HERE, 3, Step.REGISTER),
        (True, None, None, Step.ANNOUNCE),
        (True, None, 3, Step.ANNOUNCE),
        (True, HERE, None, Step.ANNOUNCE),
        (True, replace(HERE, port=1), 3, Step.ANNOUNCE),
        (True, replace(HERE, name="oak"), 3, Step.ANNOUNCE),
        (True, HERE, 3, Step.REST),
        (True, HERE, 99, Step.REST),
        (True, HERE, 100, Step.ANNOUNCE),
    ],
)
def test_one_step_at_a_time(
    registered: bool, announced: Announcement | None, since: int | None, step: Step
) -> None:
    assert step is decide_step(
        registered=registered,
        announced=announced,
        wanted=HERE,
        blocks_since_announced=since,
        heartbeat_blocks=100,
    )
