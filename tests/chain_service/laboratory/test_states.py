"""One step of a state in JSON: sparse or dense, with the original's parameters where none are."""

import json
from pathlib import Path
from typing import Any

import pytest

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
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_state_is_refused_by_its_field(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        run_state(ring(**changes), "nakamoto")


def test_an_unknown_rule_and_no_json_are_refused() -> None:
    with pytest.raises(Refusal, match="nakamoto, yuma"):
        run_state(ring(), "proof-of-stake")
    with pytest.raises(Refusal, match="not JSON"):
        run_state(b"{", "nakamoto")
