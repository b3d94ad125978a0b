"""How a network without stake starts, under each rule, and where no votes are handed out."""

from dataclasses import replace
from typing import Any

import pytest

from chain_service.domain.blocks import run_step
from chain_service.domain.consensus import RULES, run_consensus
from chain_service.domain.execution import Execution
from chain_service.domain.network import Graph
from chain_service.domain.parameters import NETWORK
from chain_service.domain.registration import fill_slot
from chain_service.domain.state import State

CUTOFF = NETWORK.activity_cutoff_blocks
POT_RAO = 999_999_999
FULL = 2**32 - 1
BOTH_RULES = pytest.mark.parametrize("rule", RULES)


def make_graph(stakes_rao: list[int], **others: Any) -> Graph:
    """The first two rank the third, and did so at block 100."""
    rows = [((2, FULL),), ((2, FULL),), *[()] * (len(stakes_rao) - 2)]
    updates, bonds = [100] * len(stakes_rao), [()] * len(stakes_rao)
    graph = Graph(101, POT_RAO, stakes_rao, rows, bonds, updates)
    return replace(graph, **others)


def pay(rule: str, graph: Graph) -> list[int]:
    return list(run_consensus(graph, replace(NETWORK, consensus_rule=rule)).amounts_rao)


@BOTH_RULES
def test_who_holds_nothing_has_one_vote_each(rule: str) -> None:
    amounts = pay(rule, make_graph([0, 0, 0]))

    assert amounts == pay(rule, make_graph([7, 7, 0]))
    assert amounts[0] == amounts[1] > 0
    assert sum(amounts) == POT_RAO


@BOTH_RULES
def test_votes_come_again_when_all_stake_is_gone_and_permits_of_before_do_not_bind(
    rule: str,
) -> None:
    permits = [True, False, False]

    assert pay(rule, make_graph([0, 0, 0], permits=permits)) == pay(rule, make_graph([7, 7, 0]))


@BOTH_RULES
def test_stake_of_the_inactive_does_not_outweigh_the_votes_of_the_active(rule: str) -> None:
    graph = make_graph([0, 0, 0, 10**9], last_update_blocks=[700, 700, 700, 100], block=701)

    assert pay(rule, graph) == [*pay(rule, make_graph([7, 7, 0])), 0]


@BOTH_RULES
def test_real_stake_of_one_active_neuron_ends_the_votes(rule: str) -> None:
    amounts = pay(rule, make_graph([0, 1, 0]))

    assert amounts[0] == 0 < amounts[1]


def test_where_nobody_is_active_yuma_pays_by_plain_stake_and_keeps_the_permits() -> None:
    graph = make_graph([2**30, 4, 0], block=101 + CUTOFF)

    payout = run_consensus(graph, replace(NETWORK, consensus_rule="yuma"))

    assert list(payout.amounts_rao) == [999_999_995, 4, 0]
    assert list(payout.step.permits) == [True, True, False]
    assert pay("nakamoto", graph) == [0, 0, 0]


def test_where_no_active_neuron_has_weights_yuma_pays_by_plain_stake() -> None:
    graph = make_graph([6, 4, 0], last_update_blocks=[100, 100, 700], block=701)

    assert sum(pay("yuma", graph)[:2]) == POT_RAO
    assert pay("nakamoto", graph) == [0, 0, 0]


def test_yuma_neurons_are_active_one_block_longer() -> None:
    graph = make_graph([6, 4, 0], block=100 + CUTOFF)

    assert pay("yuma", graph) == pay("yuma", make_graph([6, 4, 0]))
    assert pay("nakamoto", graph) == [0, 0, 0]


@pytest.mark.parametrize(("rule", "paid", "unpaid"), [("nakamoto", 1, 0), ("yuma", 0, 1)])
def test_votes_go_by_the_same_activity_as_the_step(rule: str, paid: int, unpaid: int) -> None:
    """The only stake is in its last block under Yuma, and inactive under Nakamoto."""
    graph = make_graph([6, 0, 0], last_update_blocks=[100, 200, 200], block=100 + CUTOFF)

    amounts = pay(rule, graph)

    assert amounts[unpaid] == 0 < amounts[paid]


@pytest.mark.parametrize(
    ("blocks_asleep", "stakes_after"), [(CUTOFF, [550, 50, 500]), (CUTOFF + 1, [550, 550, 0])]
)
def test_a_yuma_chain_that_falls_asleep_goes_on_paying_and_keeps_its_permits(
    blocks_asleep: int, stakes_after: list[int]
) -> None:
    parameters = replace(NETWORK, consensus_rule="yuma")
    run = Execution(State(), parameters, signer="")
    for uid, name in enumerate("abc"):
        fill_slot(run, f"hot{name}", f"cold{name}")
        stakes_rao = {f"cold{name}": 50} if uid < 2 else {}
        run.state.put_neuron(replace(run.state.neuron(uid), stakes_rao=stakes_rao, weights_block=1))
    run.state.weights[0] = ((2, FULL),)
    run.count(height=blocks_asleep, pot_rao=1_000, permitted_uids=(0, 1))

    run_step(run.state, parameters)

    assert [run.state.neuron(uid).stake_rao for uid in range(3)] == stakes_after
    assert run.state.counters.permitted_uids == (0, 1)
    assert run.state.counters.pot_rao == 0
