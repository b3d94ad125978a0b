"""
The `taonet` command.

Each service brings its own commands. They are imported only when they are meant, so that
`taonet --help` answers at once; until then a name and a line of help stand for them.
"""

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from taonet.cli.surroundings import point_at_cluster, point_at_validator
from taonet.kit.errors import Refusal


@dataclass(frozen=True)
class Mount:
    """A command, or a group of commands, that lives in another module."""

    module: str
    attribute: str
    help: str


MOUNTS = {
    "up": Mount("taonet.cli.cluster", "up", "Start the whole cluster on this machine."),
    "down": Mount("taonet.cli.cluster", "down", "Stop the cluster."),
    "status": Mount("taonet.cli.cluster", "status", "Show processes, addresses, head and supply."),
    "logs": Mount("taonet.cli.cluster", "logs", "Show a process's log."),
    "backup": Mount("taonet.cli.backup", "backup", "Write everything worth keeping to one file."),
    "restore": Mount("taonet.cli.backup", "restore", "Make a data directory from a backup."),
    "wallet": Mount("taonet.cli.wallet", "wallet_app", "Make and look into wallets."),
    "metagraph": Mount("chain_service.commands", "metagraph", "Show all neurons."),
    "transfer": Mount("chain_service.commands", "transfer", "Send TAO."),
    "stake": Mount("chain_service.commands", "stake_app", "Add or remove stake."),
    "block": Mount("chain_service.commands", "block", "Show a block."),
    "extrinsic": Mount("chain_service.commands", "extrinsic", "Show what became of an extrinsic."),
    "register": Mount("chain_service.commands", "register", "Register a hotkey by work."),
    "chain": Mount("chain_service.commands", "chain_app", "Ask the chain."),
    "server": Mount("server_service.join", "server_app", "Run a Server."),
    "model": Mount("server_service.commands", "model_app", "Build and measure language models."),
    "corpus": Mount("taonet.cli.corpus", "corpus_app", "Build and check the network's text."),
    "validator": Mount("validator_service.commands", "validator_app", "Run a Validator."),
    "gateway": Mount(
        "validator_service.payouts.commands", "gateway_app", "Look into a gateway's books."
    ),
    "key": Mount("validator_service.ledger.commands", "key_app", "Get a key for the gateway."),
    "exchange": Mount("exchange_service.commands", "exchange_app", "Trade TAO for BTC."),
    "lab": Mount("taonet.cli.lab", "lab_app", "Try the rules out, away from any network."),
}
"""Every command and where it lives."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a refusal is one sentence on standard error, and exit code 1."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    chosen = next((word for word in words if not word.startswith("-")), None)
    if chosen in MOUNTS:
        point_at_cluster()
    try:
        # A Validator of one's own has its own store.
        if chosen == "validator" and not {"run", "--help"} & {*words}:
            point_at_validator()
        build_app(chosen)(words, prog_name="taonet")
    except Exception as error:
        typer.echo(f"taonet: {tell(error)}", err=True)
        sys.exit(1)


def tell(error: Exception) -> str:
    """Return in one sentence what the user can put right; any other error goes on."""
    if isinstance(error, Refusal):
        return str(error)
    if isinstance(error, ValueError):
        return name_fields(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    from psycopg import OperationalError

    if not isinstance(error, OperationalError):
        raise error
    reason, *_ = str(error).split("\n")
    return f"the database does not answer ({reason}); is it running?"


def name_fields(error: ValueError) -> str:
    """Return which settings, or a call's arguments, are wrong; any other error goes on."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        raise error
    named = [(list(map(str, each["loc"])), each["msg"]) for each in error.errors()]
    if error.title.endswith("Settings"):
        return "; ".join(f"TAONET_{'_'.join(loc).upper()}: {said.lower()}" for loc, said in named)
    if error.title.endswith("Arguments"):
        return "; ".join(f"{'.'.join(loc)}: {said}" for loc, said in named)
    raise error


def build_app(chosen: str | None) -> typer.Typer:
    """Return the application, in which only the chosen command is more than its line of help."""
    app = typer.Typer(
        help="Bittensor's Nakamoto network as a cluster that you own.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(lambda: None)
    for name, mount in MOUNTS.items():
        if name == chosen:
            mount_command(app, name, mount)
        else:
            app.command(name, help=mount.help)(_stand_in)
    return app


def mount_command(app: typer.Typer, name: str, mount: Mount) -> None:
    """Import a command and put it into its place."""
    target: typer.Typer | Callable[..., Any] = getattr(
        importlib.import_module(mount.module), mount.attribute
    )
    if isinstance(target, typer.Typer):
        app.add_typer(target, name=name, help=mount.help)
    else:
        app.command(name)(target)


def _stand_in() -> None:
    raise AssertionError("a command that was not chosen is never run")


if __name__ == "__main__":
    main()
