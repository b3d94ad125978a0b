"""`taonet lab step` and `taonet lab vectors`, from outside."""

import json
import subprocess
import sys
from pathlib import Path

VECTORS = Path(__file__).parents[1] / "vectors"


def run(*arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "taonet.cli.main", "lab", *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_step_reads_standard_input() -> None:
    told = run("step", "--rule", "yuma", given='{"n": 1, "stake_rao": [5], "emission_rao": 7}')

    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["emission_rao"] == [7]


def test_vectors_are_ok_one_by_one() -> None:
    told = run("vectors", str(VECTORS / "nakamoto_step.json"))

    assert told.returncode == 0
    lines = told.stdout.splitlines()
    assert lines[0] == "nak-01-self-weights: ok"
    assert all(line.endswith(": ok") for line in lines)


def test_a_difference_is_named_and_exits_with_1(tmp_path: Path) -> None:
    family = json.loads((VECTORS / "delegation_emission.json").read_text())
    family["vectors"][1]["after"]["c1"] = 746
    (tmp_path / "wrong.json").write_text(json.dumps(family))

    told = run("vectors", str(tmp_path))

    assert told.returncode == 1
    assert "del-01: ok" in told.stdout
    assert "del-02: after.c1: expected 746, found 745" in told.stdout


def test_a_family_that_is_unknown_exits_with_1(tmp_path: Path) -> None:
    (tmp_path / "new.json").write_text('{"family": "alchemy", "vectors": []}')

    told = run("vectors", str(tmp_path))

    assert told.returncode == 1
    assert "unknown family 'alchemy'" in told.stdout


def test_a_missing_file_is_one_sentence() -> None:
    told = run("vectors", "/nowhere")

    assert told.returncode == 1
    assert told.stderr.count("\n") == 1
    assert "there is no /nowhere" in told.stderr
