"""Where a bench leaves its page."""

import os
from pathlib import Path

from taonet.kit.compiled import HotModules

FOLDER = Path(__file__).parents[2] / "docs" / "benchmarks"


def tell_build(hot: HotModules) -> str:
    """Return how a service's hot modules ran."""
    return "compiled by mypyc (`make compile`)" if hot.find() else "as plain Python"


def write_report(name: str, text: str) -> None:
    """Write `docs/benchmarks/<name>.md`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    one, five, _ = os.getloadavg()
    load = f"Load of the machine in the last minute: {one:.1f}, in the last five: {five:.1f}."
    (FOLDER / f"{name}.md").write_text(f"{text.rstrip()}\n\n{load}\n")
