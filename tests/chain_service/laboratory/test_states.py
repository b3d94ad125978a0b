"""One step of a state in JSON: sparse or dense, with the original's parameters where none are."""

import json
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chain_service.domain.parameters import RHO_MAX, ChainParameters
from chain_service.laboratory.states import run_state
from taonet.kit.errors import Refusal

FAMILY = json.loads((Path(__file__).parents[2] / "vectors" / "nakamoto_step.json").read_text())
RING = FAMILY["vectors"][1]


def ring(**changes: Any) -> bytes:
    inputs = {key: value for key, value in RING["inputs"].items() if key != "start_block"}
    state = {"block": 1, "params": FAMILY["default_params"], "emission_rao": 10**9}
    return json.dumps(inputs | state | changes).encode()


def test_a_vectors_inputs_give_the_vectors_numbers() -> None:
    answer, expected = run_state(ring(), "nakamoto"), RING["checkpoints"][0]

    for name in ("rank", "trust", "consensus", "incentive", "dividends"):
        assert answer[name] == expected[f"{name}_u64"]
    assert answer["emission_rao"] == expected["emission_rao"]
    assert answer["bonds_rao"] == expected["bonds_rao"]


def test_sparse_rows_give_the_same_and_sparse_bonds() -> None:
    sparse = [[[(uid + 1) % 4, 2**32 - 1]] for uid in range(4)]
    answer = run_state(ring(weights_u32=sparse, bonds_rao=[[]] * 4), "nakamoto")

    assert answer["rank"] == RING["checkpoints"][0]["rank_u64"]
    assert answer["bonds_rao"] == [[((uid + 1) % 4, 125_000_000)] for uid in range(4)]


def test_what_is_missing_is_the_originals() -> None:
    answer = run_state(
        b'{"n": 2, "stake_rao": ["5", 0], "weights_u32": [[0, 4294967295], [0, 0]]}', "nakamoto"
    )

    # 100 blocks of 1 TAO, of which a bond takes a tenth.
    assert answer["emission_rao"] == [50_000_000_000, 50_000_000_000]
    assert abs(answer["bonds_rao"][0][1] - 10_000_000_000) <= 1


def test_yuma_is_another_rule_for_the_same_state() -> None:
    answer = run_state(ring(), "yuma")

    assert answer["permits"] == [True] * 4
    assert answer["incentive"] == [0] * 4, "a quarter of the stake is no majority"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"n": -1}, "at n"),
        ({"n": 3}, "4 entries for 3"),
        ({"stake_rao": []}, "stake_rao is needed"),
        ({"stake_rao": [1, 1, 1, -1]}, "stake_rao.3"),
        ({"weights_u32": [[0, 1], [], [], []]}, r"weights_u32\[0\] is dense"),
        ({"weights_u32": [[[4, 1]], [], [], []]}, r"weights_u32\[0\] names a uid twice"),
        ({"weights_u32": [[[1, 1], [1, 2]], [], [], []]}, "twice"),
        ({"weights_u32": [[[1, 2**32]], [], [], []]}, "weights_u32.0"),
        ({"params": {"rhoo": 1}}, "no parameter 'rhoo'"),
        ({"params": {"rho": "ten"}}, "rho must be a whole number"),
        ({"params": {"rho": 45}}, "rho must be at most 44, is 45"),
        ({"params": {"rho": 10**9}}, "rho must be at most 44"),
        ({"params": {"rho": "9" * 5000}}, "rho must be a whole number"),
        ({"params": {"activity_cutoff_blocks": 2**64 - 1}}, r"from 0 to 2\^53 - 1"),
        ({"params": {"tokenizer_sha256": [1]}}, "tokenizer_sha256 must be a text"),
        ({"bonds_rao": [[[1, 2**63]], [], [], []]}, r"bonds_rao\[0\] holds 9223372036854775808"),
        ({"last_update_block": [2**62] * 4}, "last_update_block.0"),
        ({"emission_rao": None, "params": {"blocks_per_step": 2**52}}, "give emission_rao"),
        ({"\ud800": 1}, "unicode"),
        ({"a\nb" * 9_000: 1}, r"at a\\nba"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_state_is_refused_by_its_field(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        run_state(ring(**changes), "nakamoto")


def test_the_steepest_sigmoid_is_as_exact_as_the_plain_one() -> None:
    """Of three whom 3, 2 and 1 quarters of the stake trust, at κ = 1 and at the bound of ρ."""
    rows = [[[1, 9], [2, 9], [3, 9]], [[2, 9], [3, 9]], [[3, 9]], []]
    params = {"rho": RHO_MAX, "kappa_denominator": 1}

    answer = run_state(ring(weights_u32=rows, bonds_rao=[], params=params), "nakamoto")

    for trust, consensus in zip(answer["trust"], answer["consensus"], strict=True):
        exact = 1 / (1 + (RHO_MAX * (1 - Decimal(trust) / 2**64)).exp())
        assert abs(consensus - exact * 2**64) <= 4 + exact * 2**64 / 10**15


@pytest.mark.parametrize("bond", [65_536, 2**62])
def test_a_bond_under_yuma_is_a_share_of_65535(bond: int) -> None:
    rows = [[[1, bond]], [], [], []]
    with pytest.raises(Refusal, match=f"holds {bond}: under yuma a bond is at most 65535"):
        run_state(ring(bonds_rao=rows), "yuma")

    run_state(ring(bonds_rao=[[[1, 65_535]], [], [], []]), "yuma")
    run_state(ring(bonds_rao=rows), "nakamoto")


EDGES = st.sampled_from(
    [0, 1, 65_535, 65_536, 2**32 - 1, 2**32, 2**52, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, -1]
)
SCALARS = st.none() | st.booleans() | st.floats() | st.text(max_size=3) | EDGES
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
NUMBERS = [field.name for field in fields(ChainParameters) if field.type in (int, "int")]


@st.composite
def states(draw: st.DrawFn) -> dict[str, Any]:
    """A state of two or three neurons with numbers at their edges, and perhaps something else."""
    count = draw(st.integers(2, 3))
    row = st.lists(EDGES, min_size=count, max_size=count)
    rows = st.lists(row, min_size=count, max_size=count)
    state = {"n": count, "stake_rao": draw(row), "weights_u32": draw(rows)} | draw(
        st.fixed_dictionaries(
            {},
            optional={
                "bonds_rao": rows,
                "last_update_block": row,
                "block": EDGES,
                "emission_rao": EDGES,
                "params": st.dictionaries(st.sampled_from(NUMBERS), EDGES | ANYTHING, max_size=3),
                "permits": st.lists(st.booleans(), min_size=count, max_size=count),
            },
        )
    )
    return state | draw(st.dictionaries(st.sampled_from([*state, "x\n"]), ANYTHING, max_size=1))


@settings(max_examples=400, deadline=None)
@given(
    text=states().map(json.dumps).map(str.encode)
    | ANYTHING.map(json.dumps).map(str.encode)
    | st.binary(max_size=20),
    rule=st.sampled_from(["nakamoto", "yuma"]),
)
@example(text=b"[" * 100_000, rule="yuma")
@example(text=b'{"n": ' + b"9" * 5_000 + b"}", rule="yuma")
def test_whatever_is_given_is_a_result_or_one_sentence(text: bytes, rule: str) -> None:
    answer, told = None, ""
    try:
        answer = run_state(text, rule)
    except Refusal as refusal:
        told = refusal.message

    assert "\n" not in told.encode().decode()
    assert (answer is None) == (told != "")
    if answer is not None:
        json.dumps(answer, allow_nan=False)
        assert all(0 <= score < 2**64 for score in answer["rank"] + answer["consensus"])
        assert min(answer["emission_rao"], default=0) >= 0


def test_an_unknown_rule_and_no_json_are_refused() -> None:
    with pytest.raises(Refusal, match="nakamoto, yuma"):
        run_state(ring(), "proof-of-stake")
    with pytest.raises(Refusal, match="not JSON"):
        run_state(b"{", "nakamoto")
