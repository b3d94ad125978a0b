"""
Ask every question of every dashboard on a live cluster, as Grafana would.

Prints how many panels there are, how many have data, and which have none; the exit status is 1
where one has none, or can't be asked.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from taonet.kit.reading import ROLE
from taonet.local.settings import LocalSettings
from taonet.local.stores import prepare_stores

FOLDER = Path(__file__).parent / "grafana" / "provisioning" / "dashboards" / "taonet"
STEP_SECONDS = 15
RANGE_SECONDS = 1_800
# What Grafana puts in; see its manual on variables.
VARIABLES = {"$process": ".*", "$__rate_interval": "1m", "$__range": f"{RANGE_SECONDS}s"}
PROMETHEUS_SECONDS = 10.0


@dataclass(frozen=True)
class Question:
    """One target of one panel."""

    dashboard: str
    panel: str
    text: str
    is_sql: bool


def list_questions(folder: Path = FOLDER) -> Iterator[Question]:
    """Yield every question of every dashboard, with Grafana's variables filled in."""
    for path in sorted(folder.glob("*.json")):
        board = json.loads(path.read_text())
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                text = target.get("expr") or target["rawSql"]
                for name, value in VARIABLES.items():
                    text = text.replace(name, value)
                yield Question(board["title"], panel["title"], text, "rawSql" in target)


def ask_prometheus(client: httpx.Client, question: Question) -> int:
    """Return how many series the last half hour has; a refusal raises RuntimeError."""
    now = time.time()
    answer = client.get(
        "/api/v1/query_range",
        params={
            "query": question.text,
            "start": now - RANGE_SECONDS,
            "end": now,
            "step": STEP_SECONDS,
        },
    ).json()
    if answer["status"] != "success":
        raise RuntimeError(answer["error"])
    found: list[Any] = answer["data"]["result"]
    return sum(any(value != "NaN" for _, value in series["values"]) for series in found)


def ask_postgres(conn: "psycopg.Connection[Any]", question: Question) -> int:
    """Return how many rows there are; a refusal raises RuntimeError."""
    try:
        return len(conn.execute(question.text.encode()).fetchall())
    except psycopg.Error as error:
        raise RuntimeError(str(error).strip()) from None


def ask_all(prometheus_url: str, database_url: str) -> dict[tuple[str, str], str | None]:
    """Return, for each panel, what is wrong with it; None where it has data."""
    found: dict[tuple[str, str], str | None] = {}
    with (
        httpx.Client(base_url=prometheus_url, timeout=PROMETHEUS_SECONDS) as client,
        psycopg.connect(database_url, autocommit=True) as conn,
    ):
        for question in list_questions():
            name = question.dashboard, question.panel
            try:
                is_sql = question.is_sql
                count = ask_postgres(conn, question) if is_sql else ask_prometheus(client, question)
            except RuntimeError as error:
                found[name] = f"{error}: {question.text}"
                continue
            # A panel has data as soon as one of its questions has.
            problem = None if count else f"no data: {question.text}"
            found[name] = None if found.get(name, "") is None else problem
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prometheus", help="its address; by default the embedded cluster's")
    parser.add_argument("--database", help="the reader's URL; by default the embedded cluster's")
    chosen = parser.parse_args()
    settings = LocalSettings()
    prometheus_url = chosen.prometheus or f"http://127.0.0.1:{settings.port_base + 1090}"
    database_url = chosen.database
    if database_url is None:
        database_url = prepare_stores(settings, settings.data_directory()).url(ROLE)
    try:
        found = ask_all(prometheus_url, database_url)
    except (httpx.HTTPError, psycopg.Error) as error:
        sys.exit(f"the cluster can't be asked: {error}; is it up, and is Prometheus installed?")
    for (board, panel), problem in found.items():
        if problem is not None:
            sys.stdout.write(f"{board} / {panel}: {problem}\n")
    without = sum(problem is not None for problem in found.values())
    sys.stdout.write(f"{len(found)} panels, {len(found) - without} with data, {without} without\n")
    return 1 if without else 0


if __name__ == "__main__":
    sys.exit(main())
