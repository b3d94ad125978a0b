"""`taonet lab …`: the rules by themselves, without a network."""

import typer

from exchange_service.commands import match

lab_app = typer.Typer(no_args_is_help=True)
lab_app.callback()(lambda: None)
lab_app.command("match")(match)
