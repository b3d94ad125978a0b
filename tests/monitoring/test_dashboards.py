"""What a program can read of dashboards: the rules of Grafana's own linter that matter here."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "monitoring" / "grafana" / "provisioning" / "dashboards" / "taonet"
FILES = sorted(FOLDER.glob("*.json"))
NAMES = [
    *("chain", "exchange", "inference", "infrastructure"),
    *("overview", "servers", "validators"),
]
UNITS = {
    *("s", "short", "none", "locale", "cps", "reqps", "percentunit", "bytes"),
    *("suffix: TAO", "suffix: BTC", "suffix: rao", "suffix: nats", "suffix: TAO/s"),
}
SOURCES = (
    {"type": "prometheus", "uid": "${datasource}"},
    {"type": "grafana-postgresql-datasource", "uid": "${database}"},
)
KEPT_ELSEWHERE = ("ALERTS", "promise:")
"""What rules make has no process of its own."""


def panels(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def queries(path: Path) -> list[str]:
    targets = [target for panel in panels(path) for target in panel["targets"]]
    return [target["expr"] for target in targets if "expr" in target]


def statements(path: Path) -> list[str]:
    targets = [target for panel in panels(path) for target in panel["targets"]]
    return [target["rawSql"] for target in targets if "rawSql" in target]


def test_making_the_dashboards_anew_changes_nothing() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "monitoring.dashboards", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (made.returncode, made.stderr) == (0, "")


def test_all_dashboards_are_there() -> None:
    assert [file.stem for file in FILES] == NAMES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_panel_says_what_it_shows_and_in_which_unit(path: Path) -> None:
    for panel in panels(path):
        assert panel["title"]
        assert len(panel["description"]) > 10
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["targets"]
        assert panel["datasource"] in SOURCES
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_titles_are_told_apart_and_panels_have_places_of_their_own(path: Path) -> None:
    titles = [panel["title"] for panel in panels(path)]
    places = [tuple(panel["gridPos"][side] for side in "xy") for panel in panels(path)]

    assert len(places) == len(set(places))
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_description_names_the_metrics_or_the_table(path: Path) -> None:
    for panel in panels(path):
        asked = " ".join(t.get("expr") or t["rawSql"] for t in panel["targets"])
        names = re.findall(r"[A-Za-z_]*[A-Za-z]", panel["description"].split(":")[0])
        assert any(name in asked for name in names), panel["title"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_queries_keep_to_the_chosen_process_and_rate_over_the_right_time(path: Path) -> None:
    for query in queries(path):
        if not query.startswith(KEPT_ELSEWHERE) and "ALERTS" not in query:
            asked = re.findall(r"\b(?:taonet_|process_|scrape_)\w+|\bup\b", query)
            assert query.count('process=~"$process"') == len(asked), query
        assert not re.search(r"\[(?!\$__rate_interval\])", query), query


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_counters_are_only_asked_how_fast_they_grow(path: Path) -> None:
    told_whole = ("author_terms_total", "deposits_total", "evicted_keys_total")
    for query in queries(path):
        for counter in re.findall(r"\w+_(?:total|bucket|count|sum)\b(?=\{)", query):
            assert f"rate({counter}" in query or counter.endswith(told_whole), query


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_statements_only_read_and_end(path: Path) -> None:
    for statement in statements(path):
        assert statement.startswith("SELECT ")
        assert ";" not in statement
        if "ORDER BY" in statement and "GROUP BY" not in statement:
            assert re.search(r"LIMIT \d+$", statement), "a page never asks for a whole table"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_dashboards_are_alike_where_they_should_be(path: Path) -> None:
    dashboard = json.loads(path.read_text())

    assert dashboard["editable"] is False, "nobody edits one in the browser"
    assert dashboard["uid"] == f"taonet-{path.stem}"
    names = [variable["name"] for variable in dashboard["templating"]["list"]]
    assert names == ["datasource", "database", "process"]
    process = dashboard["templating"]["list"][2]
    assert (process["refresh"], process["includeAll"], process["multi"]) == (2, True, True)
    events = [event["name"] for event in dashboard["annotations"]["list"]]
    assert events == ["Halvings", "Leader changes", "Deployments"]
    assert all(event["expr"] for event in dashboard["annotations"]["list"])
    assert dashboard["links"][0]["tags"] == dashboard["tags"] == ["taonet"]
