"""Every vector is met, and a vector with a wrong number is not."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from chain_service.laboratory.comparing import Differs, compare
from chain_service.laboratory.vectors import CHECKS, check_path, check_vector, list_vectors
from taonet.kit.errors import Refusal

FOLDER = Path(__file__).parents[2] / "vectors"
FAMILIES = {
    path: family
    for path in sorted(FOLDER.glob("*.json"))
    if (family := json.loads(path.read_text()))["family"] in CHECKS
}
CASES = [
    pytest.param(name, vector, family, id=name)
    for path, family in FAMILIES.items()
    for name, vector in list_vectors(family, path)
    if vector.get("ci_active", True)
]
NOT_COMPARED = {"nakreg-04-defaults"}
"""Settings of the original's test runtime: no claim about any chain."""
WRONG = [
    ("nak-02-ring", ("checkpoints", 1, "dividends_u64", 2), 1),
    ("nak-06-issuance-cadence", ("schedule", 3, "issuance_delta_rao"), 2_000),
    ("nakreg-01-difficulty", ("steps", 2, "difficulty_after_block"), 1),
    ("nak-02-ring", ("checkpoints", 1, "last_mechanism_step_block"), 1),
    ("nakreg-02-pruning", ("script", 3, "expect_uid"), 1),
    ("nakreg-02-pruning", ("script", 16, "expect_total_stake_rao"), 1),
    ("nakreg-02-pruning", ("script", 16, "expect_coldkey_refund", "rao"), 1),
    ("nakreg-02-pruning", ("script", 20, "expect_incentive_u64", 1), -1),
    ("fin-01-difficulty", ("cases", 5, "next"), 1),
    ("fin-02-burn-decay", ("cases", 1, "after_4_blocks"), 1),
    ("nakw-05-priority", ("script", 7, "expect_priority"), 1),
    ("nakw-01-normalize", ("cases", 0, "out", 0), 1),
    ("emis-01-halving-table", ("cases", 4, "emission_rao"), 1),
    ("derived_emission by_issuance", ("eras", 3, "era_start_issuance_rao"), 1),
    ("del-01", ("after", "c1"), 1),
    ("yuma-04-bonds-sequence", ("epochs", 6, "emission", 3), 1),
    ("yuma-04-bonds-sequence", ("epochs", 1, "dividends", 0), 1e-8),
    ("yuma-04-bonds-sequence", ("epochs", 4, "stored_bonds_u16", "2,7"), 1),
    ("yuma-06-outdated-weights", ("epochs", 0, "weights_as_stored_u16", 1, 1, 1), 1),
    ("yuma3-03-kappa-moves-last", ("epochs", 5, "dividends", 1), 1.2e-4),
    ("yuma3-03-kappa-moves-last", ("epochs", 5, "bonds_validator_to_server", 0, 0), 1.6e-4),
    ("yumaL-01-512-with-rank-trust", ("expected_each", "server", "emission"), 1),
    ("math-03-sigmoid", ("cases", 0, "y", 1), 1e-6),
    ("math-06-max-limit-check", ("cases", 6, "limit"), -1),
]


@pytest.mark.parametrize(("name", "vector", "family"), CASES)
def test_vector_is_met(name: str, vector: dict[str, Any], family: dict[str, Any]) -> None:
    verdict = check_vector(name, vector, family, CHECKS[family["family"]])

    assert not verdict.differs, verdict.told
    assert (verdict.told == "ok") == (name not in NOT_COMPARED), verdict.told


@pytest.mark.parametrize(("name", "place", "change"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_number_is_found_where_it_is(
    name: str, place: tuple[str | int, ...], change: float
) -> None:
    vector, family = next((c.values[1], c.values[2]) for c in CASES if c.values[0] == name)
    assert isinstance(family, dict)
    wrong: Any = copy.deepcopy(vector)
    target = wrong
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] += change

    verdict = check_vector(name, wrong, family, CHECKS[family["family"]])

    assert verdict.differs
    assert "expected" in verdict.told
    assert str(place[1]) in verdict.told


def test_a_folder_is_read_file_by_file_and_unknown_families_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"family": "alchemy", "vectors": []}')
    (tmp_path / "b.json").write_bytes((FOLDER / "delegation_emission.json").read_bytes())

    verdicts = list(check_path(tmp_path))

    assert "unknown family 'alchemy'" in verdicts[0].told
    assert verdicts[0].differs
    assert [verdict.told for verdict in verdicts[1:]] == ["ok"] * 3


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[", "not a JSON file"),
        ("[]", 'no "family"'),
        ('{"family": "yuma_epoch"}', '"vectors"'),
        ('{"family": "yuma_epoch", "vectors": [{}]}', '"vectors"'),
        ('{"family": "yuma_epoch", "vectors": []}', "nothing to check"),
        ('{"family": "derived_emission"}', "by_issuance"),
        ("[" * 100_000, "not a JSON file"),
    ],
)
def test_what_is_no_file_of_vectors_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(content)

    with pytest.raises(Refusal, match=sentence):
        list(check_path(path))


def test_a_vector_that_lacks_something_counts_as_a_difference(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text(
        '{"family": "yuma_epoch", "default_params": {}, "vectors": [{"id": "x", "epochs": [{}]}]}'
    )

    assert [verdict.differs for verdict in check_path(path)] == [True]


def find_vector(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    vector, family = next((c.values[1], c.values[2]) for c in CASES if c.values[0] == name)
    assert isinstance(vector, dict)
    assert isinstance(family, dict)
    return copy.deepcopy(vector), family


def test_a_misspelled_field_is_named_though_all_else_agrees() -> None:
    vector, family = find_vector("nak-02-ring")
    vector["checkpoints"] = [{"after_blocks": 1, "dividnds_u64": [1]}]

    verdict = check_vector("x", vector, family, CHECKS["nakamoto_step"])

    assert verdict.differs
    assert "checkpoints[0].dividnds_u64" in verdict.told


@pytest.mark.parametrize("checkpoints", [[], [{"after_blocks": 1}]])
def test_a_vector_that_compares_nothing_is_not_ok(checkpoints: list[Any]) -> None:
    vector, family = find_vector("nak-02-ring")

    verdict = check_vector(
        "x", vector | {"checkpoints": checkpoints}, family, CHECKS["nakamoto_step"]
    )

    assert verdict.differs
    assert "nothing" in verdict.told


def test_a_checkpoint_before_the_first_step_is_told() -> None:
    vector, family = find_vector("nak-02-ring")
    vector["checkpoints"][0]["after_blocks"] = 0

    verdict = check_vector("x", vector, family, CHECKS["nakamoto_step"])

    assert verdict.differs
    assert "checkpoints[0].after_blocks must be above 0" in verdict.told


@pytest.mark.parametrize("name", ["nakw-04-min-weights", "fin-02-burn-decay", "math-07-topk"])
def test_a_vector_of_a_number_that_no_check_knows_is_not_ok(name: str) -> None:
    vector, family = find_vector(name)

    verdict = check_vector("x", vector | {"id": "new-99-rule"}, family, CHECKS[family["family"]])

    assert verdict.differs
    assert "this chain has no such" in verdict.told


@pytest.mark.parametrize("change", [0.00007, -0.00007, 0.00011])
def test_four_digits_may_be_cut_but_not_be_others(change: float) -> None:
    found = 0.4663 + change

    if change == 0.00007:
        compare("x", 0.4663, found, 6e-5, 4)
    else:
        with pytest.raises(Differs):
            compare("x", 0.4663, found, 6e-5, 4)
