"""Draw the whole schedule of the supply into docs/images/supply.png: run after a change to it."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from chain_service.domain.parameters import NETWORK, RAO_PER_TAO
from chain_service.domain.supply import calculate_issuance

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "supply.png"
BLOCKS_PER_YEAR = 365.25 * 24 * 3600 * 1000 / NETWORK.block_milliseconds
ERA_YEARS = NETWORK.blocks_per_era / BLOCKS_PER_YEAR
ERAS_SHOWN = 10
"""The issuance is flat to the eye from then on."""
POINTS_PER_ERA = 20
INK, FAINT = "#1f4e79", "#999999"


def main() -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    draw_issuance(left)
    draw_reward(right)
    for axes in (left, right):
        axes.set_xlabel("years since genesis, at 12 s a block")
        axes.spines[["top", "right"]].set_visible(False)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    # Without the program's version in it, the same schedule gives the same file.
    figure.savefig(PICTURE, dpi=110, metadata={"Software": None})


def draw_issuance(axes: Axes) -> None:
    step = NETWORK.blocks_per_era // POINTS_PER_ERA
    heights = range(0, ERAS_SHOWN * NETWORK.blocks_per_era + 1, step)
    issued = [calculate_issuance(height, NETWORK) / RAO_PER_TAO / 1e6 for height in heights]
    axes.plot([height / BLOCKS_PER_YEAR for height in heights], issued, color=INK)
    axes.axhline(21, color=FAINT, linestyle=":")
    axes.annotate("cap 21,000,000", (0, 21), (0, 4), textcoords="offset points", color=FAINT)
    axes.set_ylim(0, 23)
    axes.set_title(f"Issuance, million TAO: the first {ERAS_SHOWN} eras")


def draw_reward(axes: Axes) -> None:
    eras = range(NETWORK.halvings + 1)
    rewards = [NETWORK.block_reward_rao / RAO_PER_TAO / 2**era for era in eras]
    axes.stairs(rewards, [era * ERA_YEARS for era in (*eras, len(eras))], color=INK, baseline=None)
    axes.axhline(1 / RAO_PER_TAO, color=FAINT, linestyle=":")
    axes.annotate(
        "1 rao; below that, a block\nmints 0 or 1 rao",
        (0, 1 / RAO_PER_TAO),
        (4, -28),
        textcoords="offset points",
        color=FAINT,
    )
    axes.set_yscale("log")
    axes.set_title(f"Reward of a block, TAO: {NETWORK.halvings} halvings")


if __name__ == "__main__":
    main()
