"""
How long an epoch of a simulated network takes: `make bench NAME=simulate`.

4096 Servers and 64 Validators with every attack at once, on the rules that a Validator and the
chain run. It is `taonet lab simulate` itself; the page's plots are the report's.
"""

import os

# As `taonet lab` does, before NumPy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import resource
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from tests.bench.report import write_report

from taonet.lab.casting import ATTACKS
from taonet.lab.commands import run, write
from taonet.lab.pages import PLOTS, STYLE
from taonet.lab.report import Report
from taonet.lab.simulation import Plan

PLAN = Plan(servers=4096, validators=64, epochs=200, attacks=ATTACKS, share=0.03, seed=1)
LIMIT_SECONDS = 1.0
OUTPUT = Path("build/simulation")
IMAGE = Path("docs/images/simulation.png")


def main() -> None:
    processes = os.cpu_count() or 1
    before = processor_seconds()
    report = run(PLAN, None, processes)
    used = processor_seconds() - before
    write(report, OUTPUT)
    draw(report)
    write_report("simulate", describe(report, processes, used / PLAN.epochs))


def processor_seconds() -> float:
    """Return the time that this process and those it has waited for computed."""
    spent = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in spent)


def describe(report: Report, processes: int, computed: float) -> str:
    median, low, high = np.percentile(report.seconds, [50, 5, 95])
    verdict = "met" if median < LIMIT_SECONDS else "missed"
    lines = [
        "# Simulation",
        "",
        f"`taonet lab simulate --servers {PLAN.servers} --validators {PLAN.validators}"
        f" --epochs {PLAN.epochs} --attack all --share {PLAN.share} --seed {PLAN.seed}`,"
        f" on {processes} processes. Each honest Validator judges all Servers by the functions"
        " that a Validator runs; the chain's step is the chain's. Made by"
        " `make bench NAME=simulate`.",
        "",
        "| an epoch, s (median) | 5 % … 95 % | limit | | of processor, s |",
        "| ---: | ---: | ---: | --- | ---: |",
        f"| {median:.2f} | {low:.2f} … {high:.2f} | {LIMIT_SECONDS:.0f} | {verdict} |"
        f" {computed:.2f} |",
        "",
        "Of processor: all processes together, the start divided among the epochs.",
        "",
        "| role | how many | each earned, TAO | of the median honest one |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {each.role} | {each.count} | {each.mean_tao:.4f} | {each.of_median_honest:.2%} |"
            for each in report.strategies
        ),
        "",
        "`copy` is one Server more with a model that an honest one holds, `relay` forwards to an"
        " honest one, `sybil` blurs one stolen model each time anew. What an attack earns alone,"
        " under each rule, is in [attacks.md](attacks.md).",
        "",
        f"![The plots of the report](../images/{IMAGE.name})",
    ]
    if report.collusion is not None:
        lines.insert(
            -2,
            f"Colluding Validators and their Servers together earned {report.collusion.gain:+.0%}"
            " beside as many honest Validators.\n",
        )
    return "\n".join(lines)


def draw(report: Report) -> None:
    """Draw the report's plots on one sheet."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 10), dpi=90, layout="constrained")
        places = figure.subplots(3, 2).ravel()
        for axes, plot in zip(places, PLOTS, strict=False):
            plot(axes, report)
        for empty in places[len(PLOTS) :]:
            empty.set_axis_off()
        figure.savefig(IMAGE)


if __name__ == "__main__":
    main()
