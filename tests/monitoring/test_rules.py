"""Rules and alerts: complete, documented, tried by promtool's tests, on metrics that exist."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "monitoring" / "prometheus"
SOURCES = [
    *ROOT.glob("*-service/**/*.py"),
    *(ROOT / "services" / "taonet").rglob("*.py"),
]
SUFFIXES = ("_bucket", "_count", "_sum")


def rules() -> list[dict[str, Any]]:
    files = [yaml.safe_load(file.read_text()) for file in (PROMETHEUS / "rules").glob("*.yml")]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def declared_metrics() -> set[str]:
    text = "\n".join(path.read_text() for path in SOURCES)
    return set(re.findall(r'"(taonet_[a-z0-9_]+)"', text))


def used_metrics() -> set[str]:
    dashboards = (ROOT / "monitoring" / "grafana").rglob("*.json")
    texts = [path.read_text() for path in dashboards] + [rule["expr"] for rule in rules()]
    return set(re.findall(r"\btaonet_[a-z0-9_]+", "\n".join(texts)))


def base_name(metric: str, declared: set[str]) -> str:
    for suffix in SUFFIXES:
        if metric.removesuffix(suffix) in declared:
            return metric.removesuffix(suffix)
    return metric


def test_every_metric_that_is_asked_for_is_declared_by_a_service() -> None:
    declared = declared_metrics()

    missing = {metric for metric in used_metrics() if base_name(metric, declared) not in declared}

    assert missing == set()


def test_every_alert_has_severity_summary_and_a_runbook_that_exists() -> None:
    for alert in alerts():
        assert alert["labels"]["severity"] in {"warning", "critical"}
        assert alert["annotations"]["summary"]
        assert (ROOT / alert["annotations"]["runbook_url"]).is_file()


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
