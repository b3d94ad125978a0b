"""A report as one page that stands by itself: a table, and plots as SVG within it."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import matplotlib as mpl
from jinja2 import Environment, PackageLoader
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from taonet.lab.report import HONEST_SERVER, HONEST_VALIDATOR, Report

WIDTH_INCHES, HEIGHT_INCHES = 5.6, 3.4
HONEST_COLOUR, CHEAT_COLOUR = "#2a7f62", "#c0504d"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "taonet",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
}


Plot = Callable[[Axes, Report], None]


def render_page(report: Report) -> str:
    """Return the whole page as HTML."""
    environment = Environment(loader=PackageLoader("taonet.lab"), autoescape=True)
    with mpl.rc_context(STYLE):
        figures = [draw(plot, report) for plot in PLOTS]
    return environment.get_template("report.html").render(
        report=report, facts=report.as_json(), figures=figures
    )


def draw(plot: Plot, report: Report) -> str:
    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), layout="constrained")
    plot(figure.subplots(), report)
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def plot_income(axes: Axes, report: Report) -> None:
    """Each role's mean beside the median honest neuron of its kind."""
    strategies = report.strategies[::-1]
    values = [max(strategy.of_median_honest, 1e-4) for strategy in strategies]
    colours = [
        HONEST_COLOUR if each.role in (HONEST_SERVER, HONEST_VALIDATOR) else CHEAT_COLOUR
        for each in strategies
    ]
    bars = axes.barh([each.role for each in strategies], values, color=colours)
    axes.bar_label(bars, [f"{each.of_median_honest:.1%}" for each in strategies], padding=3)
    axes.axvline(0.02, color="grey", linestyle=":", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlim(1e-4, 20)
    axes.set_title("Income of one, of the median honest one's (dotted: 2 %)")


def plot_cheats(axes: Axes, report: Report) -> None:
    axes.plot([100 * share for share in report.cheats_share], color=CHEAT_COLOUR)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("epoch")
    axes.set_ylabel("%")
    axes.set_title("What Servers that cheat got of all that Servers got")


def plot_dividends(axes: Axes, report: Report) -> None:
    for role, values in report.dividends.items():
        axes.plot(values, label=role, linewidth=2 if role == HONEST_VALIDATOR else 1.2)
    axes.set_xlabel("epoch")
    axes.set_ylabel("TAO for each TAO at the start")
    axes.legend(frameon=False)
    axes.set_title("What Validators earned so far")


def plot_gini(axes: Axes, report: Report) -> None:
    axes.plot(report.gini, color=HONEST_COLOUR)
    axes.set_ylim(0, 1)
    axes.set_xlabel("epoch")
    axes.set_title("Gini of honest Servers' income so far")


def plot_seconds(axes: Axes, report: Report) -> None:
    axes.plot(report.seconds, color="#555", linewidth=1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("epoch")
    axes.set_ylabel("s")
    axes.set_title("Time of an epoch on this machine")


PLOTS: tuple[Plot, ...] = (plot_income, plot_cheats, plot_dividends, plot_gini, plot_seconds)
