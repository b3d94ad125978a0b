"""The fast Nakamoto step equals the plain one, to the last bit, on all kinds of graphs."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_service.domain import nakamoto_dense, wide
from chain_service.domain.estimates import decay
from chain_service.domain.fixed import ONE, divide
from chain_service.domain.nakamoto import run_nakamoto_step
from chain_service.domain.nakamoto_dense import run_nakamoto_step_densely
from chain_service.domain.network import Graph, Row, Step
from chain_service.domain.parameters import NETWORK, UINT32_MAX, ChainParameters
from chain_service.domain.rows import pack_lines, pack_row, spread_rows
from chain_service.domain.wide import take_digit

SPECIAL_WEIGHTS = [0, 1, 2, 3, 2**31 - 1, 2**31, 2**31 + 1, UINT32_MAX - 1, UINT32_MAX]


@pytest.fixture(autouse=True)
def never_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send sparse graphs through the matrices too."""
    monkeypatch.setattr(nakamoto_dense, "CELLS_PER_ENTRY_MAX", 10**9)


def make_row(rng: np.random.Generator, count: int, density: float, kind: str) -> Row:
    uids = np.flatnonzero(rng.random(count) < density).tolist()
    if kind == "equal":
        return tuple((uid, UINT32_MAX // max(len(uids), 1)) for uid in uids)
    if kind == "special":
        return tuple((uid, int(rng.choice(SPECIAL_WEIGHTS))) for uid in uids)
    return tuple((uid, int(rng.integers(1, 2**32))) for uid in uids)


def make_graph(seed: int, count: int, density: float, kind: str, bits: int) -> Graph:
    rng = np.random.default_rng(seed)
    return Graph(
        block=600,
        emission_rao=int(rng.integers(0, 2**bits)),
        stakes_rao=[int(stake) for stake in rng.integers(0, 2**bits, count)],
        weights=[make_row(rng, count, density, kind) for _ in range(count)],
        bonds_rao=[
            tuple(
                (uid, 1 + value >> max(32 - bits, 0))
                for uid, value in make_row(rng, count, density, "")
            )
            for _ in range(count)
        ],
        last_update_blocks=rng.choice([0, 500], count, p=[0.2, 0.8]).tolist(),
        reassigned_uids=frozenset(rng.choice(count, min(count, 2)).tolist()),
    )


def plain(step: Step) -> dict[str, Any]:
    values = {name: getattr(step, name) for name in Step.__dataclass_fields__}
    values["bonds_rao"] = [tuple(row) for row in step.bonds_rao]
    return {
        name: list(value) if not isinstance(value, int) else value for name, value in values.items()
    }


def assert_same(graph: Graph, parameters: ChainParameters = NETWORK, steps: int = 3) -> None:
    """Run both for some steps, each on its own bonds."""
    other = graph
    for _ in range(steps):
        expected = run_nakamoto_step(graph, parameters)
        found = run_nakamoto_step_densely(other, parameters)
        assert plain(found) == plain(expected)
        graph = replace(graph, bonds_rao=expected.bonds_rao, block=graph.block + 100)
        other = replace(other, bonds_rao=found.bonds_rao, block=other.block + 100)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 24),
    st.sampled_from([0.05, 0.3, 1.0]),
    st.sampled_from(["any", "equal", "special"]),
    st.integers(1, 51),
    st.integers(0, 1_000_000),
)
def test_both_find_the_same(
    seed: int, count: int, density: float, kind: str, bits: int, kept_ppm: int
) -> None:
    graph = make_graph(seed, count, density, kind, bits)
    assert_same(graph, replace(NETWORK, bonds_moving_average_ppm=kept_ppm))


@pytest.mark.parametrize("kind", ["any", "equal"])
def test_both_find_the_same_at_size(kind: str) -> None:
    assert_same(make_graph(7, 300, 0.9, kind, 40), steps=2)


def test_uniform_graphs_where_products_are_nearly_whole() -> None:
    row = tuple((uid, UINT32_MAX) for uid in range(8, 16))
    graph = Graph(1, 10**9, [10**9] * 8 + [0] * 8, [row] * 8 + [()] * 8, [()] * 16, [0] * 16)
    assert_same(graph, steps=20)


@settings(deadline=None)
@given(st.integers(0, ONE), st.integers(0, ONE))
def test_wide_products_are_floored(left: int, right: int) -> None:
    found = wide.multiply(np.array([left], np.uint64), np.array([right], np.uint64))
    assert int(found[0]) == left * right >> 63


@settings(deadline=None)
@given(st.integers(1, 2**52), st.integers(1, 2**50), st.integers(-3, 3))
def test_scaled_numbers_are_floored_beside_whole_numbers(
    emission_rao: int, whole: int, off: int
) -> None:
    factor = ONE // 10 * emission_rao
    given_share = min(max(whole * 2**126 // factor + off, 1), ONE)
    found = wide.scale(np.array([given_share], dtype=np.uint64), factor)
    assert int(found[0]) == given_share * factor >> 126


@settings(deadline=None)
@given(st.integers(2**51, 2**52), st.integers(2**29, 2**31))
def test_quotients_are_right_beside_whole_numbers(total: int, digit: int) -> None:
    bond = digit * total >> 31
    found, rest = take_digit(np.array([bond]), np.array([total]))
    assert (int(found[0]), int(rest[0])) == divmod(bond << 31, total)
    assert int(wide.divide(np.array([bond]), np.array([total]))[0]) == (bond << 62) // total


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 2**52 - 1), min_size=1, max_size=9),
    st.one_of(st.integers(0, 1_000_000), st.sampled_from([0, 500_000, 900_000, 1_000_000])),
)
def test_bonds_decay_to_the_same_floors(bonds_rao: list[int], kept_ppm: int) -> None:
    momentum = divide(kept_ppm * ONE, 1_000_000 * ONE)
    # Those that a step sees are mostly small, and multiples of ten decay to almost whole numbers.
    for divisor in (1, 2**20, 2**26):
        bonds = [rao // divisor // 10 * 10 for rao in bonds_rao] + [
            rao // divisor for rao in bonds_rao
        ]
        found = np.array([bonds], dtype=np.float64)
        decay(found, Fraction(kept_ppm, 1_000_000))
        assert found[0].tolist() == [momentum * rao >> 63 for rao in bonds]


@given(st.lists(st.integers(0, 2**63), min_size=1, max_size=9), st.integers(0, 2**124 - 1))
def test_few_and_many_numbers_have_the_same_products(numbers: list[int], factor: int) -> None:
    for count in (1, wide.FEW):
        values = np.array(numbers * count, dtype=np.uint64)
        products = wide.multiply(values, values[::-1])
        assert products.tolist() == [
            one * other >> 63
            for one, other in zip(numbers * count, numbers[::-1] * count, strict=True)
        ]
        assert wide.scale(values, factor).tolist() == [
            one * factor >> 126 for one in numbers * count
        ]


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=99), st.integers(1, 99))
def test_a_line_comes_back_from_its_row(filled: list[bool], value: int) -> None:
    line = np.array(filled * 3) * np.arange(value, value + 3 * len(filled))
    pairs = [(uid, int(number)) for uid, number in enumerate(line) if number]
    matrix = np.full((2, len(line)), 7)
    rows = pack_lines(np.stack([line, line[::-1]]))
    spread_rows(rows, matrix)
    assert matrix.tolist() == [line.tolist(), line[::-1].tolist()]
    assert rows[0] == pack_row(pairs)
    assert rows[0].packed == pack_row(pairs).packed


def test_sums_too_large_for_the_pieces_go_to_the_plain_step() -> None:
    bonds: list[Row] = [((1, 2**62),), ((0, 2**60),)]
    graph = Graph(1, 2**60, [2**63, 5], [((1, 9),), ((0, 2**32 - 1),)], bonds, [0, 0])
    assert_same(graph)


def test_an_empty_network_and_one_without_ranks() -> None:
    assert_same(Graph(1, 5, [], [], [], []))
    assert_same(Graph(1, 5, [7, 8], [((0, 5),), ()], [((1, 99),), ()], [0, 0]))


def test_a_packed_row_reads_as_its_pairs() -> None:
    pairs = ((2, 5), (4, 7))
    row: object = pack_row(pairs)
    assert isinstance(row, Sequence)
    assert (list(row), row[1], len(row), list(row[:1])) == (list(pairs), (4, 7), 2, [(2, 5)])
    assert row == pairs
    assert row == pack_row(pairs)
    assert row != pack_row(((2, 5),))
    assert hash(row) == hash(pairs)
