"""Yuma, beyond what the vectors pin (laboratory/test_vectors.py): arithmetic, permits, pay."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_service.domain.blocks import run_step
from chain_service.domain.consensus import run_consensus
from chain_service.domain.errors import InvalidParameters
from chain_service.domain.execution import Execution
from chain_service.domain.fixed32 import ONE, divide, exponentiate, multiply
from chain_service.domain.network import Graph
from chain_service.domain.parameters import NETWORK, choose_parameters
from chain_service.domain.registration import fill_slot
from chain_service.domain.state import State
from chain_service.domain.yuma import calculate_median

YUMA = replace(NETWORK, consensus_rule="yuma", yuma_max_validators=2)
FIXED = st.integers(min_value=0, max_value=ONE)


@given(st.integers(min_value=-ONE, max_value=ONE), st.integers(-(2**44), 2**44))
def test_products_are_floored(left: int, right: int) -> None:
    found = multiply(np.array([left]), np.array([right >> 14]))
    assert int(found[0]) == left * (right >> 14) >> 32


@given(st.integers(0, 2**46), st.integers(0, 2**46))
def test_quotients_are_floored(left: int, right: int) -> None:
    dividend, divisor = sorted((left, right))
    expected = (dividend << 32) // divisor if divisor else 0
    assert int(divide(np.array([dividend]), np.array([divisor]))[0]) == expected


def test_the_exponential_is_exact_beyond_what_is_kept_of_it() -> None:
    exponents = np.linspace(-20, 20, 4001)
    found = exponentiate((exponents * ONE).astype(np.int64))
    assert np.allclose(found, np.exp(exponents), rtol=1e-8)


@given(st.lists(st.tuples(FIXED, st.integers(0, 9)), min_size=1, max_size=9), FIXED)
def test_the_median_is_the_least_score_with_enough_stake_at_or_below(
    pairs: list[tuple[int, int]], majority: int
) -> None:
    stake = np.array([s for s, _ in pairs])
    total = int(stake.sum())
    majority = min(majority, total)
    scores = sorted({score for s, score in pairs if s})
    below = {x: sum(s for s, score in pairs if score <= x) for x in scores}
    expected = next((x for x in scores if below[x] > total - majority), max(scores, default=0))

    found = calculate_median(stake, np.array([[score] for _, score in pairs]), majority)

    assert int(found[0]) == expected


def test_half_goes_to_validators_and_half_to_servers_and_nothing_is_lost() -> None:
    rows = [((2, 2**31), (3, 2**31)), ((2, 2**30), (3, 2**31)), (), ()]
    graph = Graph(1, 999_999_999, [500, 700, 0, 0], rows, [()] * 4, [0] * 4)

    payout = run_consensus(graph, YUMA)

    assert sum(payout.amounts_rao) == 999_999_999
    assert abs(sum(payout.amounts_rao[:2]) - sum(payout.amounts_rao[2:])) <= 2
    assert payout.step.permits == [True, True, False, False]


def test_weights_count_only_with_a_permit_of_the_step_before() -> None:
    row = ((3, 2**32 - 1),)
    graph = Graph(1, 100, [5, 7, 9, 0], [row, row, ((0, 5),), ()], [()] * 4, [0] * 4)

    first = run_consensus(replace(graph, permits=[True, True, False, False]), YUMA)
    second = run_consensus(replace(graph, permits=first.step.permits), YUMA)

    assert first.step.permits == [False, True, True, False]
    assert first.step.incentive[3] > 0 == first.step.incentive[0]
    assert second.step.incentive[0] > 0


def test_the_chain_keeps_permits_and_bonds_from_step_to_step() -> None:
    run = Execution(State(), YUMA, signer="")
    for name in "abcd":
        fill_slot(run, f"hot{name}", f"cold{name}")
    run.count(height=10, pot_rao=1_000)
    run.state.weights[0] = ((2, 2**32 - 1),)
    run.state.put_neuron(replace(run.state.neuron(0), stakes_rao={"colda": 50}, weights_block=5))
    run.state.put_neuron(replace(run.state.neuron(3), stakes_rao={"coldd": 5}))

    run_step(run.state, YUMA)

    assert run.state.counters.permitted_uids == (0, 3)
    assert run.state.bonds[0] == ((2, 65_535),)
    assert [run.state.neuron(uid).stake_rao for uid in range(4)] == [550, 0, 500, 5]
    assert run.state.counters.pot_rao == 0


@pytest.mark.parametrize(
    "overrides",
    [{"yuma_kappa_u16": 65_536}, {"yuma_alpha_low_u16": 60_000}, {"yuma_alpha_steepness": 65_536}],
)
def test_parameters_out_of_range_are_refused(overrides: dict[str, int]) -> None:
    with pytest.raises(InvalidParameters):
        choose_parameters("box", overrides)
