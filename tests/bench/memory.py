"""How much memory a process holds over time, as a picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt


def plot_memory(path: Path, seen: Sequence[tuple[float, float]], along: str, title: str) -> None:
    """Resident MiB over requests or seconds; the axis begins at 0, so that flat looks flat."""
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    axes.plot(*zip(*seen, strict=True), color="#4653c8", linewidth=1.5)
    axes.set(xlabel=along, ylabel="resident memory, MiB", title=title)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
