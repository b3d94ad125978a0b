"""`taonet lab simulate`."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from taonet.kit.errors import Malformed
from taonet.lab.bank import UnreadableAnswers, load_bank
from taonet.lab.casting import ATTACKS, SYBIL_NATS
from taonet.lab.report import Report, summarise
from taonet.lab.simulation import Plan, prepare
from validator_service.domain.scores import SCALING_LAW, SHAPLEY, Rules

RULES = ("nakamoto", "yuma")
SERVERS_MAX, VALIDATORS_MAX, EPOCHS_MAX = 16_384, 1_024, 100_000


def simulate(
    servers: Annotated[int, typer.Option(min=2, max=SERVERS_MAX, help="How many.")] = 256,
    validators: Annotated[int, typer.Option(min=1, max=VALIDATORS_MAX, help="How many.")] = 16,
    epochs: Annotated[int, typer.Option(min=1, max=EPOCHS_MAX, help="Payouts.")] = 50,
    attack: Annotated[
        str, typer.Option(help=f"Separated by commas: {', '.join(ATTACKS)}; or all.")
    ] = "",
    share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Who plays each attack: a part of all.")
    ] = 0.05,
    rule: Annotated[str, typer.Option(help=f"Consensus: {' or '.join(RULES)}.")] = "nakamoto",
    scoring: Annotated[str, typer.Option(help=f"{SCALING_LAW} or {SHAPLEY}.")] = SCALING_LAW,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same.")] = 0,
    commit_reveal: Annotated[
        bool, typer.Option(help="Whether weights are hidden at first.")
    ] = True,
    sybil_nats: Annotated[
        float, typer.Option(min=0.0, max=10.0, help="How far sybils blur their answers.")
    ] = SYBIL_NATS,
    answers: Annotated[Path | None, typer.Option(help="Recorded answers, an .npz.")] = None,
    output: Annotated[Path, typer.Option(help="A folder for report.html and report.json.")] = Path(
        "simulation"
    ),
    processes: Annotated[int, typer.Option(min=1, help="At once.")] = os.cpu_count() or 1,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Simulate a network of honest neurons and cheats on the domain's own rules."""
    plan = Plan(
        servers=servers,
        validators=validators,
        epochs=epochs,
        attacks=read_attacks(attack),
        share=share,
        rule=read_choice("rule", rule, RULES),
        seed=seed,
        commit_reveal=commit_reveal,
        sybil_nats=sybil_nats,
        rules=Rules(rule=read_choice("scoring", scoring, (SCALING_LAW, SHAPLEY))),
    )
    report = run(plan, answers, processes)
    write(report, output)
    if as_json:
        typer.echo(json.dumps(report.as_json()))
        return
    Console().print(as_table(report))
    typer.echo(f"{output / 'report.html'}, {output / 'report.json'}")


def run(plan: Plan, answers: Path | None, processes: int) -> Report:
    """Simulate, with a progress bar on standard error."""
    console = Console(stderr=True)
    try:
        bank = None if answers is None else load_bank(answers)
    except UnreadableAnswers as error:
        raise Malformed(str(error)) from None
    with console.status(f"measuring the answers of {plan.servers} Servers"):
        simulation = prepare(plan, bank)
    steps = track(
        simulation.run(processes), description="epochs", total=plan.epochs, console=console
    )
    return summarise(simulation, list(steps))


def write(report: Report, output: Path) -> None:
    try:
        from taonet.lab.pages import render_page
    except ImportError as error:
        raise Malformed(f"plots need {error.name}: pip install 'taonet[lab]'") from None
    output.mkdir(parents=True, exist_ok=True)
    (output / "report.json").write_text(json.dumps(report.as_json(), indent=2) + "\n")
    (output / "report.html").write_text(render_page(report))


def as_table(report: Report) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("role")
    for title in ("how many", "each earned, TAO", "of the median honest"):
        table.add_column(title, justify="right")
    for each in report.strategies:
        table.add_row(
            each.role, str(each.count), f"{each.mean_tao:.4f}", f"{each.of_median_honest:.2%}"
        )
    return table


def read_attacks(text: str) -> tuple[str, ...]:
    names = tuple(ATTACKS) if text == "all" else tuple(filter(None, text.split(",")))
    for name in names:
        read_choice("attack", name, ATTACKS)
    return names


def read_choice(option: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise Malformed(f"--{option} {value!r}: choose from {', '.join(known)}")
    return value
