"""Questions to Prometheus over its HTTP API, and its answers as lines for a chart."""

import math
import re
from dataclasses import dataclass

import httpx

from taonet.kit.errors import Unavailable

POINTS_MAX = 240
STEP_SECONDS_MIN = 5
SERIES_MAX = 24
"""Lines that one panel draws: more can't be told apart."""


@dataclass(frozen=True)
class Line:
    """One series over time; a missing value is None."""

    label: str
    values: list[float | None]


@dataclass(frozen=True)
class Lines:
    times_s: list[int]
    lines: list[Line]
    left_out: int = 0


def choose_step(seconds: int) -> int:
    """Return how far apart the points of a chart lie."""
    return max(STEP_SECONDS_MIN, math.ceil(seconds / POINTS_MAX))


async def ask_range(
    http: httpx.AsyncClient, url: str, expression: str, legend: str, times_s: range
) -> list[Line]:
    """Return what an expression was at these times; refuses where Prometheus does."""
    asked = {
        "query": expression,
        "start": times_s.start,
        "end": times_s[-1],
        "step": times_s.step,
    }
    try:
        answer = await http.post(f"{url}/api/v1/query_range", data=asked)
        told = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise Unavailable(f"no Prometheus answers at {url} ({type(error).__name__})") from None
    if told.get("status") != "success":
        raise Unavailable(f"Prometheus refuses: {told.get('error', answer.status_code)}")
    return [
        Line(write_label(legend, series["metric"]), spread(series["values"], times_s))
        for series in told["data"]["result"]
    ]


def write_label(legend: str, labels: dict[str, str]) -> str:
    """Put labels into a legend's `{{name}}`; without a legend they speak for themselves."""
    if legend and legend != "__auto":
        return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), legend)
    named = {name: value for name, value in labels.items() if name != "__name__"}
    return ", ".join(f"{name} {value}" for name, value in named.items())


def spread(values: list[tuple[float, str]], times_s: range) -> list[float | None]:
    """Lay values onto all the times; NaN and what is missing are None."""
    known = {round(time): float(text) for time, text in values}
    found = (known.get(time) for time in times_s)
    return [value if value is not None and math.isfinite(value) else None for value in found]


def gather(times_s: range, lines: list[Line]) -> Lines:
    """Return the lines that matter most: those that reach highest, where there are many."""
    if len(lines) <= SERIES_MAX:
        return Lines(list(times_s), lines)
    top = sorted(lines, key=lambda line: -max((v or 0.0 for v in line.values), default=0.0))
    kept = {id(line) for line in top[:SERIES_MAX]}
    chosen = [line for line in lines if id(line) in kept]
    return Lines(list(times_s), chosen, len(lines) - SERIES_MAX)
