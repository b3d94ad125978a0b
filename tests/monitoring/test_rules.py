"""Rules and alerts: complete, documented, tried by promtool's tests, on metrics that exist."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from monitoring.check_dashboards import VARIABLES

from taonet.local.main import find_program

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "monitoring" / "prometheus"
SOURCES = [
    *ROOT.glob("*-service/**/*.py"),
    *(ROOT / "services" / "taonet").rglob("*.py"),
]
SUFFIXES = ("_bucket", "_count", "_sum")
PROMTOOL = find_program("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None,
    reason="no promtool: `make monitoring-tools` brings it, or install Prometheus",
)


def rules() -> list[dict[str, Any]]:
    files = [yaml.safe_load(file.read_text()) for file in (PROMETHEUS / "rules").glob("*.yml")]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def declared_metrics() -> set[str]:
    """Names as they stand in the sources, also where a family's name ends in a table of figures."""
    text = "\n".join(path.read_text() for path in SOURCES)
    names = set(re.findall(r'"(taonet_[a-z0-9_]+)"', text))
    for prefix in re.findall(r'f"(taonet_[a-z_]+_)\{', text):
        names |= {f"{prefix}{word}" for word in re.findall(r'"([a-z][a-z0-9_]+)": ?[("]', text)}
    names |= {f"taonet_neuron_{name}_ratio" for name in ("trust", "consensus", "incentive")}
    names |= {"taonet_neuron_dividends_ratio", "taonet_chain_stake_gini_ratio"}
    names |= {"taonet_chain_emission_gini_ratio", "taonet_chain_author_terms_total"}
    return names | {f"taonet_validator_job_{measure}_seconds" for measure in ("run", "wait")}


def used_metrics() -> set[str]:
    dashboards = (ROOT / "monitoring" / "grafana").rglob("*.json")
    texts = [path.read_text() for path in dashboards] + [rule["expr"] for rule in rules()]
    return set(re.findall(r"(?<![:\w])taonet_[a-z0-9_]+(?!:)\b", "\n".join(texts)))


def base_name(metric: str, declared: set[str]) -> str:
    for suffix in SUFFIXES:
        if metric.removesuffix(suffix) in declared:
            return metric.removesuffix(suffix)
    return metric


def promtool(*arguments: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
    assert PROMTOOL is not None
    return subprocess.run(
        [PROMTOOL, *arguments], input=stdin, capture_output=True, text=True, check=False
    )


def test_every_metric_that_is_asked_for_is_declared_by_a_service() -> None:
    declared = declared_metrics()

    missing = {metric for metric in used_metrics() if base_name(metric, declared) not in declared}

    assert missing == set()


def test_every_alert_has_severity_summary_and_a_runbook_of_its_own() -> None:
    books = [alert["annotations"]["runbook_url"] for alert in alerts()]

    assert len(set(books)) == len(books)
    assert {f"docs/runbooks/{path.name}" for path in (ROOT / "docs/runbooks").glob("*.md")} == set(
        books
    )
    for alert in alerts():
        assert alert["labels"]["severity"] in {"warning", "critical"}
        assert alert["annotations"]["summary"]
        text = (ROOT / alert["annotations"]["runbook_url"]).read_text()
        assert re.search(
            r"^# .+\n\*\*What it means\.\*\* .+\n\n\*\*Look\.\*\* .+\n\n\*\*Do\.", text
        )


def test_every_alert_is_tried_to_fire_and_to_clear() -> None:
    tried: dict[str, set[bool]] = {}
    for path in (PROMETHEUS / "tests").glob("*.yml"):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test.get("alert_rule_test", []):
                tried.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))

    assert tried == {alert["alert"]: {True, False} for alert in alerts()}


def test_recorded_names_tell_level_metric_and_operation() -> None:
    for rule in rules():
        if "record" in rule:
            assert re.fullmatch(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", rule["record"])


@needs_promtool
@pytest.mark.parametrize("name", ["alerts", "promises"])
def test_alerts_fire_and_clear(name: str) -> None:
    tried = promtool("test", "rules", str(PROMETHEUS / "tests" / f"{name}.yml"))

    assert tried.returncode == 0, tried.stdout


@needs_promtool
def test_the_configuration_is_accepted() -> None:
    checked = promtool("check", "config", str(PROMETHEUS / "prometheus.yml"))

    assert checked.returncode == 0, checked.stderr


@needs_promtool
def test_every_dashboard_asks_in_valid_promql(tmp_path: Path) -> None:
    expressions = []
    for path in (ROOT / "monitoring" / "grafana").rglob("*.json"):
        board = json.loads(path.read_text())
        targets = [target for panel in board["panels"] for target in panel.get("targets", ())]
        expressions += [target["expr"] for target in targets if "expr" in target]
        expressions += [event["expr"] for event in board["annotations"]["list"]]
    for name, value in VARIABLES.items():
        expressions = [expression.replace(name, value) for expression in expressions]
    recorded = [
        {"record": f"asked:{number}", "expr": expression}
        for number, expression in enumerate(expressions)
    ]
    file = tmp_path / "asked.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": recorded}]}))

    checked = promtool("check", "rules", str(file))

    assert checked.returncode == 0, checked.stderr
    assert len(recorded) > 100
