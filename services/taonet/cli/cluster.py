"""`taonet up`, `down`, `status`, `logs`: the embedded cluster from outside."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from taonet.cli.first_light import await_first_light
from taonet.cli.show import show_addresses, show_status
from taonet.cli.starting import start_supervisor, watch_start
from taonet.kit.errors import NotFound, Unavailable
from taonet.local.home import ClusterState, Home
from taonet.local.kinship import birth_mark
from taonet.local.settings import LocalSettings
from taonet.local.status import describe_status

STOP_SECONDS = 45.0
FOLLOW_SECONDS = 0.3
POLL_SECONDS = 0.1

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return once everything is ready.")
    ] = False,
) -> None:
    """Start the whole cluster on this machine, and keep it running until Ctrl-C."""
    settings = LocalSettings()
    home, console = settings.data_directory(), Console()
    running = find_running(home)
    if running is not None and detach:
        console.print(f"already running, supervised by pid {running.pid}")
        show_addresses(console, describe_status(home, running))
        return
    supervisor = start_supervisor(home, detach)
    # From here on Ctrl-C is the supervisor's: it stops everything in order.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, frame: supervisor.process.send_signal(received))
    watch_start(supervisor, console, home)
    await_first_light(home, console)
    show_addresses(console, describe_status(home, home.load_state()))
    if not detach:
        console.print("[dim]Ctrl-C stops everything; `taonet logs NAME -f` follows one process.[/]")
        sys.exit(supervisor.process.wait())


def down() -> None:
    """Stop the cluster, in order; what it holds is kept."""
    home = LocalSettings().data_directory()
    state = find_running(home)
    if state is None:
        typer.echo(f"no cluster is running in {home.path}")
        return
    os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while birth_mark(state.pid) == state.birth_mark:
        if time.monotonic() > deadline:
            raise Unavailable(f"pid {state.pid} has not stopped after {STOP_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
    typer.echo("stopped")


def status(as_json: JsonOption = False) -> None:
    """Show processes, addresses, head and supply."""
    home = LocalSettings().data_directory()
    described: dict[str, Any] = describe_status(home, home.load_state())
    if as_json:
        typer.echo(json.dumps(described, indent=2))
        return
    if described["pid"] is None:
        raise Unavailable(f"no cluster is running in {home.path}; `taonet up` starts one")
    show_status(Console(), described)


def logs(
    name: Annotated[str, typer.Argument(help="A process, as `taonet status` names it.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many to begin with.")
    ] = 50,
) -> None:
    """Show the end of a process's log."""
    home = LocalSettings().data_directory()
    log = home.log_file(name)
    known = sorted(file.stem for file in log.parent.glob("*.log"))
    if name not in known:
        raise NotFound(f"no log of {name!r}; there are: {', '.join(known) or 'none yet'}")
    typer.echo(home.tail(name, lines))
    if follow:
        follow_log(log)


def follow_log(log: Path) -> None:
    """Print what is written to a log, from now on, until Ctrl-C."""
    with log.open(errors="replace") as file:
        file.seek(0, os.SEEK_END)
        while True:
            piece = file.read()
            if piece:
                typer.echo(piece, nl=False)
                continue
            if log.stat().st_size < file.tell():  # It was moved aside for its length.
                file.seek(0)
            time.sleep(FOLLOW_SECONDS)


def find_running(home: Home) -> ClusterState | None:
    state = home.load_state()
    return state if state is not None and state.alive else None
