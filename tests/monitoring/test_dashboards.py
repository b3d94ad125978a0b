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
UNITS = {"s", "short", "locale", "cps", "reqps", "percentunit", "suffix: TAO", "suffix: rao"}


def panels(path: Path) -> list[dict[str, Any]]:
    found = json.loads(path.read_text())["panels"]
    inner = [panel for row in found for panel in row.get("panels") or []]
    return [panel for panel in [*found, *inner] if panel["type"] != "row"]


def queries(path: Path) -> list[str]:
    return [target["expr"] for panel in panels(path) for target in panel["targets"]]


def test_making_the_dashboards_anew_changes_nothing() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "monitoring.dashboards", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (made.returncode, made.stderr) == (0, "")


def test_both_dashboards_are_there() -> None:
    assert [file.name for file in FILES] == ["emission.json", "performance.json"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_panel_says_what_it_shows_and_in_which_unit(path: Path) -> None:
    for panel in panels(path):
        assert panel["title"]
        assert panel["description"].strip()
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["targets"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_panels_have_places_of_their_own(path: Path) -> None:
    places = [tuple(panel["gridPos"][side] for side in "xy") for panel in panels(path)]

    assert len(places) == len(set(places))
    assert len(places) == 12


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_queries_keep_to_the_chosen_process_and_rate_over_the_right_time(path: Path) -> None:
    for query in queries(path):
        assert query.count('process=~"$process"') == len(re.findall(r"taonet_\w+|\bup\b", query))
        assert not re.search(r"\[(?!\$__rate_interval\])", query)
        for counter in re.findall(r"\w+_(?:total|bucket|count|sum)\b", query):
            assert f"rate({counter}" in query


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nobody_edits_a_dashboard_in_the_browser(path: Path) -> None:
    dashboard = json.loads(path.read_text())

    assert dashboard["editable"] is False
    assert dashboard["uid"].startswith("taonet-")
