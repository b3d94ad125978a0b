"""
Prometheus' text format, written straight from rows.

The state of a service lies in its store, where it is exact, whoever counted it and whoever was
killed meanwhile. A page of it may have thousands of series, one for each neuron: as objects of the
client library they would take longer than a scrape may.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Literal

Kind = Literal["gauge", "counter"]
Number = int | float


class Exposition:
    """One page of metrics, family by family."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def value(self, kind: Kind, name: str, meaning: str, value: Number) -> None:
        """Add a metric without labels."""
        self._parts.append(f"{_head(kind, name, meaning)}{name} {value}\n")

    def series(
        self,
        kind: Kind,
        name: str,
        meaning: str,
        labels: Sequence[str],
        rows: Iterable[tuple[object, ...]],
        *,
        digits: int | None = None,
    ) -> None:
        """Add a metric with labels: each row has the labels' values, then the number.

        Rounded to a few `digits`, a share of thousands takes half the room.
        """
        form = ",".join(f'{label}="%s"' for label in labels)
        form = f"{name}{{{form}}} {f'%.{digits}g' if digits else '%s'}\n"
        found = _escape_texts(list(rows))
        # One formatting of all lines takes half the time of one for each.
        filled = form * len(found) % tuple(itertools.chain.from_iterable(found))
        self._parts += (_head(kind, name, meaning), filled)

    def histogram(
        self,
        name: str,
        meaning: str,
        labels: Sequence[str],
        rows: Iterable[tuple[Sequence[str], Sequence[tuple[float, int]], float]],
    ) -> None:
        """Add a histogram: of each row the labels' values, (bound, count up to it) and the sum."""
        self._parts.append(_head("histogram", name, meaning))
        for values, buckets, total in rows:
            named = "".join(
                f'{label}="{_escape(value)}",' for label, value in zip(labels, values, strict=True)
            )
            for bound, count in buckets:
                told = "+Inf" if bound == float("inf") else bound
                self._parts.append(f'{name}_bucket{{{named}le="{told}"}} {count}\n')
            labelled = f"{{{named[:-1]}}}" if named else ""
            self._parts.append(f"{name}_sum{labelled} {total}\n")
            self._parts.append(f"{name}_count{labelled} {buckets[-1][1]}\n")

    def __str__(self) -> str:
        return "".join(self._parts)


def _head(kind: str, name: str, meaning: str) -> str:
    return f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n"


def _escape_texts(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Escape what is text: thousands of rows share a few, and hardly ever one that needs it."""
    for place, value in enumerate(rows[0] if rows else ()):
        if isinstance(value, str):
            changed = {text: _escape(text) for text in {row[place] for row in rows}}
            if any(text != escaped for text, escaped in changed.items()):
                rows = [(*row[:place], changed[row[place]], *row[place + 1 :]) for row in rows]
    return rows


def _escape(value: object) -> object:
    if isinstance(value, str):
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return value
