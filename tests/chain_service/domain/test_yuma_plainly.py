"""Yuma over many rows at once equals Yuma entry by entry, to the last bit, on all graphs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from chain_service.domain.network import Graph, Row, Step
from chain_service.domain.parameters import NETWORK, UINT16_MAX, UINT32_MAX, ChainParameters
from chain_service.domain.yuma import run_yuma_step
from chain_service.domain.yuma_plainly import run_yuma_step_plainly

SHARES_U16 = st.sampled_from([0, 1, 32_767, 32_768, 45_875, UINT16_MAX - 1, UINT16_MAX])
PARAMETERS = st.builds(
    ChainParameters,
    consensus_rule=st.just("yuma"),
    activity_cutoff_blocks=st.sampled_from([0, 99, 100, 101, 2**53 - 1]),
    bonds_moving_average_ppm=st.sampled_from([0, 1, 500_000, 900_000, 1_000_000]),
    yuma_kappa_u16=SHARES_U16,
    yuma_max_validators=st.sampled_from([0, 1, 3, 8, 128]),
    yuma_bonds_penalty_u16=SHARES_U16,
    yuma3_bonds=st.sampled_from([0, 1]),
    yuma_liquid_alpha=st.sampled_from([0, 1]),
    yuma_alpha_low_u16=st.sampled_from([0, 1_000, 45_875]),
    yuma_alpha_high_u16=st.sampled_from([45_875, 58_982, UINT16_MAX]),
    yuma_alpha_steepness=st.sampled_from([0, 1, 1_000, UINT16_MAX]),
)
WEIGHTS: Mapping[str, Callable[[np.random.Generator, int], NDArray[np.int64]]] = {
    "any": lambda rng, size: rng.integers(0, 2**32, size),
    "equal": lambda rng, size: np.full(size, UINT32_MAX // max(size, 1)),
    "few": lambda rng, size: rng.integers(0, 3, size),
    "special": lambda rng, size: rng.choice([1, 2**31, UINT32_MAX - 1, UINT32_MAX], size),
    "wide": lambda rng, size: 2 ** rng.integers(0, 32, size),
}
"""How a row's weights are drawn, by a name."""


def make_row(rng: np.random.Generator, count: int, density: float, kind: str) -> Row:
    uids = np.flatnonzero(rng.random(count) < density)
    values = WEIGHTS[kind](rng, len(uids))
    return tuple(zip(uids.tolist(), values.tolist(), strict=True))


def make_graph(seed: int, count: int, density: float, kind: str, bits: int) -> Graph:
    """Some hold no stake, are inactive, lack a permit, came later, or sit in a slot given away."""
    rng = np.random.default_rng(seed)
    stakes = rng.integers(0, 2**bits, count) * rng.integers(0, 2, count)
    bonds = [make_row(rng, count, density, "any") for _ in range(count)]
    return Graph(
        block=600,
        emission_rao=int(rng.integers(0, 2**bits)),
        stakes_rao=stakes.tolist(),
        weights=[make_row(rng, count, density, kind) for _ in range(count)],
        bonds_rao=[tuple((j, value >> 16) for j, value in row if value >> 16) for row in bonds],
        last_update_blocks=rng.choice([0, 499, 500, 501, 600], count).tolist(),
        reassigned_uids=frozenset(rng.choice(count, min(count, 2)).tolist()),
        permits=None if seed % 3 == 0 else rng.choice([True, False], count).tolist(),
        weights_blocks=[] if seed % 2 else rng.choice([100, 200, 300], count).tolist(),
        registered_blocks=rng.choice([0, 0, 100, 200, 300], count).tolist(),
    )


def plain(step: Step) -> dict[str, Any]:
    values = {name: getattr(step, name) for name in Step.__dataclass_fields__}
    values["bonds_rao"] = [tuple(row) for row in step.bonds_rao]
    return {
        name: list(value) if isinstance(value, Sequence) else value
        for name, value in values.items()
    }


def assert_same(graph: Graph, parameters: ChainParameters, steps: int = 3) -> None:
    """Run both for some epochs, each on its own bonds and permits, while the stakes move on."""
    other = graph
    for _ in range(steps):
        expected, found = run_yuma_step_plainly(graph, parameters), run_yuma_step(other, parameters)
        assert plain(found) == plain(expected)
        stakes = [*graph.stakes_rao[1:], *graph.stakes_rao[:1]]
        later = replace(graph, stakes_rao=stakes, block=graph.block + 50)
        graph = replace(later, bonds_rao=expected.bonds_rao, permits=expected.permits)
        other = replace(later, bonds_rao=found.bonds_rao, permits=found.permits)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 24),
    st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    st.sampled_from(sorted(WEIGHTS)),
    st.integers(1, 62),
    PARAMETERS,
)
def test_both_find_the_same(
    seed: int, count: int, density: float, kind: str, bits: int, parameters: ChainParameters
) -> None:
    assert_same(make_graph(seed, count, density, kind, bits), parameters)


@pytest.mark.parametrize("density", [0.02, 0.4])
@pytest.mark.parametrize("options", [{}, {"yuma3_bonds": 1, "yuma_liquid_alpha": 1}], ids=str)
def test_both_find_the_same_at_size(density: float, options: dict[str, Any]) -> None:
    """Where the matrices are worked through in several blocks."""
    graph = make_graph(7, 300, density, "any", 40)
    assert_same(graph, replace(NETWORK, consensus_rule="yuma", **options), steps=2)


@pytest.mark.parametrize("kappa_u16", [32_766, 32_767, 32_768])
def test_both_find_the_same_where_the_stake_is_just_enough(kappa_u16: int) -> None:
    """One alone ranks 2 at all; what he has is κ of the stake to the last bit, or beside it."""
    rows: list[Row] = [((3, 1),), ((2, 1), (3, 1)), (), ()]
    graph = Graph(1, 10**9, [32_768, 32_767, 0, 0], rows, [()] * 4, [0] * 4)
    parameters = replace(NETWORK, yuma_kappa_u16=kappa_u16)
    assert_same(graph, parameters)
    assert (run_yuma_step(graph, parameters).consensus[2] > 0) == (kappa_u16 <= 32_767)


def test_both_find_the_same_in_an_empty_network() -> None:
    assert_same(Graph(1, 5, [], [], [], []), NETWORK)
