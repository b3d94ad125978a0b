"""`taonet backup`, `restore`: the embedded cluster in one file, and back."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from taonet.local import backup as backups
from taonet.local.settings import LocalSettings


def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it. It holds keys.")],
) -> None:
    """Write ledgers, wallets, secrets and corpus of the running cluster to one file."""
    with Console().status("taking one instant of all ledgers"):
        backups.back_up(LocalSettings(), file)
    typer.echo(f"{file}: {file.stat().st_size / 1e6:.1f} MB; `taonet restore {file}` reads it")


def restore(
    file: Annotated[Path, typer.Argument(help="What `taonet backup` wrote.")],
) -> None:
    """Make a new data directory from a backup; nothing that exists is overwritten."""
    settings = LocalSettings()
    with Console().status("checking, unpacking, filling the database"):
        manifest = backups.restore(settings, file)
    made = datetime.fromtimestamp(manifest.made, UTC)
    typer.echo(f"{settings.data_directory().path} is as of {made:%Y-%m-%d %H:%M:%S} UTC")
    typer.echo("now: `taonet up`, then `taonet status` and the audits show that its books balance")
