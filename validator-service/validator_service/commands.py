"""`taonet validator …`"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from taonet.kit.db import begin_once
from taonet.kit.logging import configure_logging
from validator_service.rounds import repository, weights_repository
from validator_service.rounds.audit import Lens, audit_epoch
from validator_service.rounds.context import Context
from validator_service.settings import ValidatorSettings

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]

POLL_SECONDS = 0.5
STOP_SECONDS = 10.0

validator_app = typer.Typer(help="Run a Validator.", no_args_is_help=True)


@validator_app.callback()
def _validator() -> None:
    """Run a Validator: it asks, scores, sets weights, and sells access."""
    configure_logging("validator", "warning")


@validator_app.command()
def epochs(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List the newest epochs: their weights' number, height and state, and how many rounds."""
    with begin_once(ValidatorSettings().database_url) as conn:
        found = weights_repository.load_epochs(conn, limit)
    show_rows(("epoch", "height", "state", "rounds"), found, as_json)


@validator_app.command()
def parked(
    retry: Annotated[bool, typer.Option("--retry", help="Take them up again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the rounds that were given up after several attempts; a worker retries them."""
    with begin_once(ValidatorSettings().database_url) as conn:
        found = repository.load_parked(conn)
        if retry:
            repository.unpark(conn)
    show_rows(("round", "height", "attempts", "answers"), found, as_json)
    if retry and not as_json:
        typer.echo(f"{len(found)} rounds are taken up again by the next reconciliation")


def show_rows(names: tuple[str, ...], rows: Sequence[tuple[object, ...]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows]))
        return
    table = Table(*names, box=None, header_style="dim")
    for row in rows:
        table.add_row(*map(str, row))
    Console().print(table)


@validator_app.command()
def audit(
    epoch: Annotated[int, typer.Argument(help="As `taonet validator epochs` numbers it.")],
    as_json: JsonOption = False,
) -> None:
    """Judge an epoch again from the signed answers, and compare with the weights that were set."""
    settings = ValidatorSettings()
    held = Context(settings)
    lens = Lens(
        hotkey=held.hotkey.ss58_address,
        top_k=settings.validator_top_k,
        vocabulary_size=held.vocabulary_size,
        text=held.text,
        shape=settings.shape(),
    )
    with begin_once(settings.database_url) as conn:
        found = audit_epoch(conn, epoch, lens)
    if as_json:
        typer.echo(json.dumps({**asdict(found), "agrees": found.agrees}))
    else:
        typer.echo(
            f"epoch {found.epoch}: {found.rounds} rounds, {found.answers} answers "
            f"({found.redrawn} with their questions drawn again): "
            + ("agrees" if found.agrees else "does not agree")
        )
        for problem in found.problems:
            typer.echo(f"  {problem}")
    raise typer.Exit(0 if found.agrees else 1)


@validator_app.command()
def run() -> None:
    """Run one Validator in the foreground: its gateway, worker and beat. Settings: TAONET_…"""
    settings = ValidatorSettings()
    celery = [sys.executable, "-m", "celery", "-A", "validator_service.worker"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    uvicorn = [sys.executable, "-m", "uvicorn", "--factory", "validator_service.app:create_app"]
    commands = [
        [*uvicorn, "--host", settings.validator_host, "--port", str(settings.validator_axon_port)],
        [*celery, "worker", "-n", f"{settings.validator_name}@%h", *quiet],
        [*celery, "beat"],
    ]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    children = [subprocess.Popen(command) for command in commands]
    try:
        while all(child.poll() is None for child in children):
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        pass
    finally:
        stop(children)
    # Ended by us they answer with a signal's number; by themselves, with their own failure.
    raise typer.Exit(max(0, *(child.returncode for child in children)))


def stop(children: "list[subprocess.Popen[bytes]]") -> None:
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
