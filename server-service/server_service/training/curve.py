"""The loss of each step, kept beside a model as numbers, and drawn where that can be done."""

from pathlib import Path

import numpy as np

SMOOTHED_STEPS = 25


class LossCurve:
    """Appends to a file of `step loss` lines, so that an interrupted run keeps what it had."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, step: int, loss: float) -> None:
        with self._path.open("a") as file:
            file.write(f"{step} {loss:.6f}\n")

    def read(self) -> dict[int, float]:
        """A step that was done again after an interruption counts as it went the last time."""
        if not self._path.exists():
            return {}
        lines = [line.split() for line in self._path.read_text().splitlines()]
        return dict(sorted((int(step), float(loss)) for step, loss in lines))

    def plot(self, picture: Path, title: str) -> bool:
        """Draw each step and their running mean; False where matplotlib is not installed."""
        try:
            import matplotlib as mpl
        except ImportError:
            return False
        mpl.use("Agg")
        from matplotlib import pyplot as plt

        losses = self.read()
        steps, values = np.array(list(losses)), np.array(list(losses.values()))
        figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
        axes.plot(steps, values, color="#4653c8", alpha=0.25, linewidth=1)
        width = min(SMOOTHED_STEPS, len(values))
        smooth = np.convolve(values, np.ones(width) / width, mode="valid")
        axes.plot(steps[width - 1 :], smooth, color="#4653c8", linewidth=2)
        axes.set(xlabel="step", ylabel="loss, nats per token", title=title)
        axes.grid(alpha=0.3)
        figure.savefig(picture, dpi=120)
        plt.close(figure)
        return True
