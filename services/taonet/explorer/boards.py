"""Grafana's dashboards as their JSON says: which panels there are, and what each asks."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taonet.kit.logging import get_logger

ANY = ".*"
"""What a variable stands for: all of it, as the boards begin."""
SCRAPE_SECONDS = 15
"""At most so far apart are two values; rates are taken over four of them, as Grafana does."""
SQL_SOURCES = ("postgres", "grafana-postgresql-datasource")

log = get_logger(__name__)


@dataclass(frozen=True)
class Target:
    """One question of a panel: in PromQL, or in SQL."""

    text: str
    legend: str = ""
    is_sql: bool = False


@dataclass(frozen=True)
class Panel:
    number: int
    """Its place on the board, counted from 0."""
    kind: str
    title: str
    description: str
    unit: str
    width: int
    """Of 24 columns."""
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Section:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Board:
    uid: str
    title: str
    description: str
    sections: tuple[Section, ...]
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def panels(self) -> list[Panel]:
        return [panel for section in self.sections for panel in section.panels]


def load_boards(folder: Path) -> list[Board]:
    """Read a folder's boards, the overview first; a file that is none is left out, and said."""
    boards = []
    for path in sorted(folder.glob("*.json"), key=lambda path: (path.stem != "overview", path)):
        try:
            boards.append(read_board(json.loads(path.read_text())))
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            log.warning("not a dashboard", file=path.name, error=str(error))
    return boards


def read_board(told: dict[str, Any]) -> Board:
    """Read a board; raises KeyError and the like where it is none."""
    sections: list[tuple[str, list[Panel]]] = []
    number = 0
    for panel in told["panels"]:
        if panel["type"] == "row":
            sections.append((panel.get("title", ""), []))
        inner = panel.get("panels", []) if panel["type"] == "row" else [panel]
        for each in inner:
            if not sections:
                sections.append(("", []))
            sections[-1][1].append(_read_panel(each, number))
            number += 1
    return Board(
        uid=str(told["uid"]),
        title=told["title"],
        description=told.get("description", ""),
        sections=tuple(Section(title, tuple(panels)) for title, panels in sections if panels),
        variables=_read_variables(told.get("templating", {}).get("list", [])),
    )


def fill_variables(text: str, variables: dict[str, str], step: int, seconds: int) -> str:
    """Put in what `$name`, `${name}` and Grafana's own `$__…` stand for; durations in seconds."""
    values = {
        **variables,
        "__interval": f"{step}s",
        "__rate_interval": f"{max(step + SCRAPE_SECONDS, 4 * SCRAPE_SECONDS)}s",
        "__range": f"{seconds}s",
        "__range_s": str(seconds),
    }

    def replace(found: re.Match[str]) -> str:
        return values.get(found[1] or found[2], found[0])

    return re.sub(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))", replace, text)


def _read_panel(panel: dict[str, Any], number: int) -> Panel:
    source = (panel.get("datasource") or {}).get("type", "prometheus")
    return Panel(
        number=number,
        kind=panel["type"],
        title=panel.get("title", ""),
        description=panel.get("description", ""),
        unit=panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "short"),
        width=panel.get("gridPos", {}).get("w", 12),
        targets=tuple(_read_target(target, source) for target in panel.get("targets", [])),
    )


def _read_target(target: dict[str, Any], source: str) -> Target:
    kind = (target.get("datasource") or {}).get("type", source)
    if kind in SQL_SOURCES:
        return Target(target.get("rawSql", ""), is_sql=True)
    return Target(target.get("expr", ""), target.get("legendFormat", ""))


def _read_variables(listed: list[dict[str, Any]]) -> dict[str, str]:
    variables = {}
    for variable in listed:
        if variable.get("includeAll"):
            variables[variable["name"]] = variable.get("allValue") or ANY
        elif variable.get("type") in ("constant", "custom", "interval", "textbox"):
            variables[variable["name"]] = str(variable.get("query", "")).split(",")[0].strip()
        elif variable.get("type") == "query":
            variables[variable["name"]] = ANY
    return variables
