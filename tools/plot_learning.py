"""Draws a Server that learns: `python tools/plot_learning.py RECORDED.jsonl NAME docs/images/learning.png`.

Each line of the record is `{"height", "loss", "neurons": [[uid, name, incentive, …], …]}`, as read from the
chain and the Server's metrics block by block.
"""

# ruff: noqa: E501

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

BLUE, RED = "#4653c8", "#c2410c"


def main(record: Path, name: str, picture: Path) -> None:
    rows = [json.loads(line) for line in record.read_text().splitlines()]
    seen = [(row, neuron) for row in rows for neuron in row["neurons"] if neuron[1] == name]
    heights = [row["height"] for row, _ in seen]
    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    axes.plot(heights, [100 * neuron[2] for _, neuron in seen], color=BLUE, linewidth=2)
    axes.set_xlabel("block")
    axes.set_ylabel("incentive, %", color=BLUE)
    axes.set_ylim(bottom=0)
    losses = [(row["height"], row["loss"][0]) for row, _ in seen if row["loss"] and row["loss"][0]]
    beside = axes.twinx()
    beside.step(*zip(*losses, strict=True), where="post", color=RED, linewidth=1.5)
    beside.set_ylabel("loss on its validation slice, nats per token", color=RED)
    axes.set_title("A Server that learns while it serves")
    axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
