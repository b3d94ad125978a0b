"""`taonet validator …` and `taonet key …`."""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Annotated, Any

import typer

from taonet.kit.keys import load_coldkey
from validator_service.client import GatewayClient, GatewayRefusal
from validator_service.settings import ValidatorSettings

POLL_SECONDS = 0.5
STOP_SECONDS = 10.0

validator_app = typer.Typer(help="Run a Validator.", no_args_is_help=True)
key_app = typer.Typer(help="API keys of a gateway.", no_args_is_help=True)


@validator_app.callback()
def _validator() -> None:
    """Run a Validator: it asks, scores, sets weights, and sells access."""


@key_app.callback()
def _key() -> None:
    """Make API keys for a Validator's gateway."""


@validator_app.command()
def run() -> None:
    """Run one Validator in the foreground: its gateway, worker and beat. Settings: TAONET_…"""
    settings = ValidatorSettings()
    celery = [sys.executable, "-m", "celery", "-A", "validator_service.worker"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    uvicorn = [sys.executable, "-m", "uvicorn", "--factory", "validator_service.app:create_app"]
    commands = [
        [*uvicorn, "--host", "127.0.0.1", "--port", str(settings.validator_axon_port)],
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


@key_app.command()
def new(
    account: Annotated[str, typer.Option(help="A wallet's name, or its coldkey's SS58 address.")],
    gateway: Annotated[
        str, typer.Option(envvar="TAONET_GATEWAY_URL", help="The gateway's address.")
    ] = "http://127.0.0.1:8080",
    wallet_path: Annotated[
        str, typer.Option(envvar="TAONET_WALLET_PATH", help="The folder of wallets.")
    ] = "~/.bittensor/wallets",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Make an API key for an account, signed for by its coldkey. It is shown once."""
    try:
        keypair = load_coldkey(wallet_path, find_wallet(wallet_path, account))
        with GatewayClient(gateway) as client:
            made = client.create_key(keypair)
    except (GatewayRefusal, FileNotFoundError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(made.model_dump_json())
        return
    typer.echo(f"API key          {made.api_key}   (shown this once)")
    typer.echo(f"deposit address  {made.deposit_address}   (TAO sent there fills the account)")
    typer.echo(f"base URL         {gateway.rstrip('/')}/v1")


def find_wallet(wallet_path: str, account: str) -> str:
    """Return the name of the wallet that an account means: itself, or whose coldkey it is."""
    folder = os.path.expanduser(wallet_path)
    if os.path.isdir(os.path.join(folder, account)):
        return account
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if read_address(os.path.join(folder, name, "coldkeypub.txt")) == account:
            return name
    raise FileNotFoundError(f"no wallet in {folder} is called {account!r} or has that coldkey")


def read_address(path: str) -> str | None:
    try:
        with open(path) as file:
            content: dict[str, Any] = json.load(file)
    except (OSError, ValueError):
        return None
    return content.get("ss58Address")
