"""`taonet lab …`: the rules by themselves, without a network."""

import os

# Before NumPy is loaded: its matrices here are small, and its threads would only get in each
# other's way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer

from chain_service.commands import step, vectors
from exchange_service.commands import match
from taonet.lab.attack import attack
from taonet.lab.commands import simulate

lab_app = typer.Typer(no_args_is_help=True)
lab_app.callback()(lambda: None)
lab_app.command("attack")(attack)
lab_app.command("match")(match)
lab_app.command("simulate")(simulate)
lab_app.command("step")(step)
lab_app.command("vectors")(vectors)
