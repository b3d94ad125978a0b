"""Reading behaviours, and where they are allowed."""

import pytest

from server_service.domain.behaviour import (
    HONEST,
    Behaviour,
    Conduct,
    check_allowed,
    parse_behaviour,
)


def test_each_behaviour_has_a_name() -> None:
    assert parse_behaviour("honest") == HONEST
    assert Behaviour(Conduct.SILENT) == parse_behaviour("silent")
    assert Behaviour(Conduct.SLOW, 2.5) == parse_behaviour("slow=2.5")
    assert Behaviour(Conduct.RELAY, uid=3) == parse_behaviour("relay=3")
    assert Behaviour(Conduct.LOOKUP) == parse_behaviour("lookup")


@pytest.mark.parametrize(
    "text", ["", "slow", "slow=", "slow=-1", "slow=x", "noise=3", "lazy", "relay", "relay=-1"]
)
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_behaviour(text)


def test_honesty_is_allowed_everywhere_and_the_rest_in_the_box() -> None:
    for preset in ("box", "network", "mainnet-2022"):
        check_allowed(HONEST, preset)
    check_allowed(Behaviour(Conduct.NOISE), "box")
    for preset in ("network", "mainnet-2022"):
        with pytest.raises(ValueError, match=preset):
            check_allowed(Behaviour(Conduct.NOISE), preset)
