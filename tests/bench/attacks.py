"""
What attacks earn under each rule, simulated: `make bench NAME=attacks`.

Every attack alone, against both consensus rules and both ways to score; and what five Servers of
one operator earn, with the one whose model they stole, by how far they blur their answers.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from tests.bench.report import write_report
from tqdm import tqdm

from taonet.kit.money import RAO_PER_TAO
from taonet.lab.casting import ATTACKS, SERVER_ATTACKS, VALIDATOR_ATTACKS
from taonet.lab.report import Report, summarise
from taonet.lab.simulation import Plan, prepare
from validator_service.domain.scores import SCALING_LAW, SHAPLEY, Rules

PLAN = Plan(servers=200, validators=8, epochs=30, share=0.125, churn=0.01, seed=2)
SYBILS = 5
SYBIL_PLAN = replace(PLAN, attacks=("sybil",), share=SYBILS / PLAN.servers)
BLURS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2)
"""Nats on each probability; 0 are copies to the last bit."""
KINDS = tuple(product(("nakamoto", "yuma"), (SCALING_LAW, SHAPLEY)))
LIMIT, COPIES_LIMIT = 0.02, 1.2


def main() -> None:
    runs = tqdm(total=len(ATTACKS) * len(KINDS) + len(BLURS) * 2, file=sys.stderr)
    text = "\n".join([*attack_table(runs), "", *sybil_table(runs)])
    write_report("attacks", text)


def attack_table(runs: "tqdm[Any]") -> Iterator[str]:
    yield "# Attacks, by rule"
    yield ""
    yield (
        f"Simulated: {PLAN.servers} Servers, {PLAN.validators} Validators of equal stake,"
        f" {PLAN.epochs} epochs, {PLAN.churn:.0%} of the Servers replaced in each. One attack at a"
        f" time, played by {PLAN.share:.1%} of the Servers, or of the Validators. What one cheat"
        " earns, beside the median honest neuron of its kind; for `collude` what the Validators"
        " and the Servers that they favour gain together, beside as many honest Validators."
        " Made by `make bench NAME=attacks`."
    )
    yield ""
    yield f"| attack | {' | '.join(' + '.join(kind) for kind in KINDS)} | limit |"
    yield f"| --- |{' ---: |' * len(KINDS)} --- |"
    for attack in ATTACKS:
        cells = []
        for rule, scoring in KINDS:
            report = simulate(
                replace(PLAN, attacks=(attack,), rule=rule, rules=Rules(rule=scoring))
            )
            cells.append(tell(report, attack))
            runs.update()
        yield f"| {attack} | {' | '.join(cells)} | {LIMITS[attack]} |"


LIMITS = {
    **dict.fromkeys(SERVER_ATTACKS, f"{LIMIT:.0%}"),
    "copy": "see below",
    "sybil": "see below",
    "weight-copy": "100%",
    "collude": "gain 0%",
}


def simulate(plan: Plan) -> Report:
    simulation = prepare(plan)
    return summarise(simulation, list(simulation.run()))


def tell(report: Report, attack: str) -> str:
    if attack == "collude":
        assert report.collusion is not None
        return f"gain {report.collusion.gain:+.1%}"
    kind = "validator" if attack in VALIDATOR_ATTACKS else "server"
    found = next(each for each in report.strategies if each.role == f"{kind}: {attack}")
    return f"{found.of_median_honest:.2%}"


def sybil_table(runs: "tqdm[Any]") -> Iterator[str]:
    yield "## Copies that blur their answers"
    yield ""
    yield (
        f"{SYBILS} Servers answer with one stolen model, each probability multiplied by e to a"
        " normal error of its own. What they and the one they stole from earn together, beside"
        " what they do where nothing is blurred: that is paid as one model. Consensus:"
        " Nakamoto."
    )
    yield ""
    yield f"| error, nats | {SCALING_LAW} | {SHAPLEY} |"
    yield "| ---: | ---: | ---: |"
    alone = {scoring: family_income(0.0, scoring) for scoring in (SCALING_LAW, SHAPLEY)}
    for blur in BLURS:
        cells = []
        for scoring, income in alone.items():
            cells.append(f"{family_income(blur, scoring) / income:.2f} ×")
            runs.update()
        yield f"| {blur:g} | {' | '.join(cells)} |"


def family_income(blur: float, scoring: str) -> float:
    """Return TAO: of the sybils and the one they stole from."""
    plan = replace(SYBIL_PLAN, sybil_nats=blur, rules=Rules(rule=scoring), churn=0.0)
    simulation = prepare(plan)
    income = np.sum([epoch.income_rao for epoch in simulation.run()], axis=0)
    sybils = np.flatnonzero(np.array(simulation.crowd.roles) == "sybil")
    family = np.union1d(sybils, simulation.crowd.victims[sybils])
    return float(income[plan.validators + family].sum() / RAO_PER_TAO)


if __name__ == "__main__":
    main()
