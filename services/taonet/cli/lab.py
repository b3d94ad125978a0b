"""`taonet lab …`: the rules by themselves, without a network."""

import typer

from chain_service.commands import step, vectors
from exchange_service.commands import match

lab_app = typer.Typer(no_args_is_help=True)
lab_app.callback()(lambda: None)
lab_app.command("match")(match)
lab_app.command("step")(step)
lab_app.command("vectors")(vectors)
