"""
Prometheus' text format, written straight from rows.

The state of a service lies in its store, where it is exact, whoever counted it and whoever was
killed meanwhile. A page of it may have thousands of series, one for each neuron: as objects of the
client library they would take longer than a scrape may.
"""

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
        rounded: bool = False,
    ) -> None:
        """Add a metric with labels: each row has the labels' values, then the number.

        Rounded to nine digits, a share of thousands takes half the room.
        """
        form = ",".join(f'{label}="%s"' for label in labels)
        form = f"{name}{{{form}}} {'%.9g' if rounded else '%s'}\n"
        self._parts.append(_head(kind, name, meaning))
        self._parts.extend(
            form % (row if type(row[0]) is int and len(row) == 2 else tuple(map(_escape, row)))
            for row in rows
        )

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


def _escape(value: object) -> object:
    if isinstance(value, str):
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return value
