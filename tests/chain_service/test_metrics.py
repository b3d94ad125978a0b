"""What the chain shows: exact, from its tables, and what it says when they are altered."""

import httpx
import psycopg
import pytest
from tests.conftest import wait_until

from chain_service.metrics import AUDITS, calculate_gini, show_neurons
from chain_service.metrics_repository import NeuronRow

from .conftest import RunningChain


def figures(chain: RunningChain) -> dict[str, float]:
    lines = httpx.get(f"{chain.url}/metrics").text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(number) for name, number in pairs}


def test_supply_and_schedule_are_shown_to_the_rao(chain: RunningChain) -> None:
    wait_until(lambda: chain.height() >= 5)

    shown = figures(chain)

    parts = ("free_rao", "staked_rao", "pot_rao")
    issued = shown["taonet_chain_issuance_rao"]
    assert issued == shown["taonet_chain_height"] * 1e9
    assert sum(shown[f"taonet_chain_{part}"] for part in parts) == issued
    assert shown["taonet_chain_schedule_difference_rao"] == 0
    assert shown["taonet_chain_reward_rao"] == 1e9
    assert shown["taonet_chain_target_interval_seconds"] == 0.1
    assert shown["taonet_state_readable"] == 1


def test_each_author_that_leads_is_counted(chain: RunningChain) -> None:
    assert figures(chain)["taonet_chain_author_terms_total"] == 1

    chain.kill("author")
    chain.start_author()

    wait_until(lambda: figures(chain)["taonet_chain_author_terms_total"] == 2)


def test_money_from_nowhere_is_found(chain: RunningChain) -> None:
    wait_until(lambda: chain.height() >= 2)
    with psycopg.connect(chain.database_url) as conn:
        assert AUDITS["chain_supply"](conn) == 0
        conn.execute(
            "INSERT INTO account (address, free_rao, nonce, slot) VALUES ('5Thief', 1, 0, 999999)"
        )
        assert AUDITS["chain_supply"](conn) == 1
        conn.rollback()


def test_a_block_that_names_another_parent_is_found(chain: RunningChain) -> None:
    wait_until(lambda: chain.height() >= 4)
    with psycopg.connect(chain.database_url) as conn:
        assert AUDITS["chain_blocks"](conn) == 0
        conn.execute("UPDATE block SET parent_hash = 'forged' WHERE height = 2")
        assert AUDITS["chain_blocks"](conn) == 1
        conn.rollback()


@pytest.mark.parametrize(
    ("amounts", "gini"),
    [([], 0), ([0, 0], 0), ([5, 5, 5], 0), ([0, 0, 0, 9], 0.75), ([1, 3], 0.25)],
)
def test_gini_tells_how_evenly_something_is_spread(amounts: list[int], gini: float) -> None:
    assert calculate_gini(amounts) == pytest.approx(gini)


def test_a_page_of_all_neurons_stays_small() -> None:
    """4096 neurons are the most there can be; a page has at most two million bytes."""
    scores = dict.fromkeys(("rank", "trust", "consensus", "incentive", "dividends"), 1 / 7)
    rows = [
        NeuronRow(uid, "5" + "x" * 47, f"server-{uid}", 10**16, **scores, emission_rao=10**12,
                  last_update_block=10**6)
        for uid in range(4096)
    ]  # fmt: skip

    page = show_neurons(rows)

    assert len(page) < 1_950_000
    assert page.count("\ntaonet_neuron_incentive_ratio{") == 4096
