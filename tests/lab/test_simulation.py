"""The simulator: the same numbers for the same plan, and no cheat that the rules know is paid."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from taonet.cli.main import build_app
from taonet.kit.errors import Malformed
from taonet.lab.bank import UnreadableAnswers, load_bank
from taonet.lab.casting import ATTACKS
from taonet.lab.report import Report, calculate_gini, summarise
from taonet.lab.simulation import Plan, prepare

PLAN = Plan(servers=60, validators=8, epochs=12, attacks=ATTACKS, seed=3)


def simulate(plan: Plan, processes: int = 1) -> Report:
    simulation = prepare(plan)
    return summarise(simulation, list(simulation.run(processes)))


def numbers(report: Report) -> dict[str, object]:
    return {name: value for name, value in report.as_json().items() if name != "epoch_seconds"}


@pytest.fixture(scope="module")
def report() -> Report:
    return simulate(PLAN)


def paid(report: Report, role: str) -> float:
    return next(each.of_median_honest for each in report.strategies if each.role == role)


def test_a_plan_gives_the_same_numbers_however_many_processes_work_on_it(report: Report) -> None:
    assert numbers(report) == numbers(simulate(PLAN, processes=2))


@pytest.mark.parametrize("attack", ["lazy", "noise", "silent", "relay"])
def test_a_server_that_knows_nothing_of_its_own_earns_nothing(report: Report, attack: str) -> None:
    assert paid(report, f"server: {attack}") < 0.02


def test_a_relay_gains_nothing_when_the_one_it_asks_is_replaced() -> None:
    report = simulate(
        Plan(servers=60, validators=2, epochs=20, attacks=("relay",), share=0.2, churn=0.1)
    )

    assert paid(report, "server: relay") < 0.02


def test_a_model_and_its_copies_earn_what_one_earns() -> None:
    report = simulate(Plan(servers=40, validators=4, epochs=10, attacks=("copy",), share=0.2))

    copies = paid(report, "server: copy")

    # Half of the copies are the faster ones, and take the pay of their originals.
    assert copies < 1
    assert sum(each.mean_tao * each.count for each in report.strategies) == pytest.approx(100)


@pytest.mark.parametrize("rule", ["nakamoto", "yuma"])
def test_a_validator_that_copies_or_colludes_earns_less_than_an_honest_one(rule: str) -> None:
    attacks = ("weight-copy", "collude")
    report = simulate(Plan(servers=40, validators=8, epochs=15, attacks=attacks, rule=rule))

    assert paid(report, "validator: weight-copy") < 0.98
    assert paid(report, "validator: collude") < 0.8
    assert report.collusion is not None
    assert report.collusion.gain < 0


def test_gini_knows_its_ends() -> None:
    assert calculate_gini(np.full(10, 3.0)) == pytest.approx(0)
    assert calculate_gini(np.array([0.0] * 99 + [5.0])) == pytest.approx(0.99)
    assert calculate_gini(np.zeros(4)) == 0


def test_the_command_writes_a_page_that_stands_alone_and_json(tmp_path: Path) -> None:
    words = ["lab", "simulate", "--servers", "20", "--validators", "4", "--epochs", "3"]
    words += ["--attack", "lazy", "--processes", "1", "--output", str(tmp_path), "--json"]
    result = CliRunner().invoke(build_app("lab"), words)

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == json.loads((tmp_path / "report.json").read_text())
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 5
    assert not re.search(r"(src|href)=[\"']?http|url\(http|<script", page)


def test_an_unknown_attack_is_told_with_those_that_are_known() -> None:
    result = CliRunner().invoke(build_app("lab"), ["lab", "simulate", "--attack", "magic"])

    assert isinstance(result.exception, Malformed)
    assert "relay" in str(result.exception)


def test_recorded_answers_are_played_and_nonsense_is_refused(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    told = random.dirichlet(np.ones(5), (30, 10))
    np.savez(
        tmp_path / "answers.npz",
        losses=random.uniform(2, 4, (10, 30)),
        fingerprints=np.sqrt(told),
    )
    simulation = prepare(
        Plan(servers=10, validators=2, epochs=3), load_bank(tmp_path / "answers.npz")
    )

    assert len(list(simulation.run())) == 3
    (tmp_path / "other.npz").write_text("nonsense")
    with pytest.raises(UnreadableAnswers, match="holds no recorded answers"):
        load_bank(tmp_path / "other.npz")
