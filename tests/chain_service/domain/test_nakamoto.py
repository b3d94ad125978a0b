"""The Nakamoto step, beyond what the vectors pin (laboratory/test_vectors.py)."""

from chain_service.domain.consensus import RULES, run_consensus
from chain_service.domain.network import Graph
from chain_service.domain.parameters import CONSENSUS_RULES, NETWORK


def test_half_goes_to_the_ranked_and_half_to_the_rankers() -> None:
    graph = Graph(
        block=1,
        emission_rao=1_000_000_000,
        stakes_rao=[500, 500, 0, 0],
        weights=[((2, 2**31), (3, 2**31)), ((2, 2**31), (3, 2**31)), (), ()],
        bonds_rao=[()] * 4,
        last_update_blocks=[0] * 4,
    )
    payout = run_consensus(graph, NETWORK)
    assert payout.amounts_rao == [250_000_000] * 4


def test_first_payout_is_one_neuron_one_vote() -> None:
    graph = Graph(
        block=1,
        emission_rao=999_999_999,
        stakes_rao=[0, 0, 0],
        weights=[((2, 2**32 - 1),), ((2, 2**32 - 1),), ()],
        bonds_rao=[()] * 3,
        last_update_blocks=[0] * 3,
    )
    payout = run_consensus(graph, NETWORK)
    assert sum(payout.amounts_rao) == 999_999_999
    assert payout.amounts_rao[0] == payout.amounts_rao[1] > 0
    assert payout.amounts_rao[2] > payout.amounts_rao[0]


def test_a_slot_given_away_voids_the_bonds_in_it() -> None:
    graph = Graph(
        block=1,
        emission_rao=0,
        stakes_rao=[10, 0],
        weights=[(), ()],
        bonds_rao=[((1, 1000),), ()],
        last_update_blocks=[0, 0],
        reassigned_uids=frozenset({1}),
    )
    assert RULES["nakamoto"].run_step(graph, NETWORK).bonds_rao == [(), ()]


def test_the_pot_waits_where_nobody_ranks_another() -> None:
    graph = Graph(1, 5, [7], [((0, 2**32 - 1),)], [()], [0])
    assert run_consensus(graph, NETWORK).amounts_rao == [0]


def test_every_rule_has_a_name_in_the_parameters() -> None:
    assert set(RULES) == set(CONSENSUS_RULES)
