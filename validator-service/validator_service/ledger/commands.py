"""`taonet key …`: an account's API keys at a gateway, each signed for by the account's coldkey."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from taonet.kit.errors import Malformed, NotFound
from taonet.kit.keys import Keypair, given_password, load_coldkey
from taonet.kit.money import format_tao, parse_tao
from validator_service.client import GatewayClient
from validator_service.domain.keys import Scope
from validator_service.ledger.schemas import KeyView

SECONDS_PER_DAY = 86_400
GATEWAY_URL = "http://127.0.0.1:8080"
WALLET_PATH = "~/.bittensor/wallets"

key_app = typer.Typer(help="API keys of a gateway.", no_args_is_help=True)

Account = Annotated[str, typer.Option(help="A wallet's name, or its coldkey's SS58 address.")]
Gateway = Annotated[str, typer.Option(envvar="TAONET_GATEWAY_URL", help="The gateway's address.")]
Wallets = Annotated[str, typer.Option(envvar="TAONET_WALLET_PATH", help="The folder of wallets.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@key_app.callback()
def _key() -> None:
    """Make, list and revoke API keys for a Validator's gateway."""


@key_app.command()
def new(
    account: Account,
    label: Annotated[str, typer.Option(help="What the key is for.")] = "",
    days: Annotated[int | None, typer.Option(min=1, help="How long it may be used.")] = None,
    cap: Annotated[str | None, typer.Option(help="How many TAO it may ever spend.")] = None,
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What it is for; may be given again. All by default.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Never score Servers by its calls.")
    ] = False,
    gateway: Gateway = GATEWAY_URL,
    wallet_path: Wallets = WALLET_PATH,
    as_json: AsJson = False,
) -> None:
    """Make an API key for an account, signed for by its coldkey. It is shown once."""
    with signing_for(account, wallet_path, gateway) as (client, keypair):
        made = client.create_key(
            keypair,
            label=label,
            expires_in_seconds=None if days is None else days * SECONDS_PER_DAY,
            cap_rao=None if cap is None else parse_tao(cap),
            scopes=scope or None,
            sampled=not private,
        )
    if as_json:
        typer.echo(made.model_dump_json())
        return
    typer.echo(f"API key          {made.api_key}   (shown this once)")
    typer.echo(f"id               {made.id}   (to revoke it by)")
    typer.echo(f"deposit address  {made.deposit_address}   (TAO sent there fills the account)")
    typer.echo(f"base URL         {gateway.rstrip('/')}/v1")


@key_app.command("list")
def list_keys(
    account: Account,
    gateway: Gateway = GATEWAY_URL,
    wallet_path: Wallets = WALLET_PATH,
    as_json: AsJson = False,
) -> None:
    """List an account's keys, with what each has spent."""
    with signing_for(account, wallet_path, gateway) as (client, keypair):
        keys = client.keys(keypair)
    if as_json:
        typer.echo(json.dumps([key.model_dump(mode="json") for key in keys]))
        return
    typer.echo("\n".join(describe(key) for key in keys) or "this account has no keys")


@key_app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `taonet key list` shows it.")],
    account: Account,
    gateway: Gateway = GATEWAY_URL,
    wallet_path: Wallets = WALLET_PATH,
) -> None:
    """Revoke a key, for ever."""
    with signing_for(account, wallet_path, gateway) as (client, keypair):
        client.revoke_key(keypair, key_id)
    typer.echo(f"{key_id} is revoked")


@contextmanager
def signing_for(
    account: str, wallet_path: str, gateway: str
) -> Iterator[tuple[GatewayClient, Keypair]]:
    """Give a client and the account's coldkey; an amount that can't be read is refused."""
    try:
        keypair = load_coldkey(wallet_path, find_wallet(wallet_path, account), given_password())
        with GatewayClient(gateway) as client:
            yield client, keypair
    except ValueError as error:
        raise Malformed(str(error)) from None


def describe(key: KeyView) -> str:
    """Return a key's line."""
    state = "usable" if key.usable else "revoked" if key.revoked_at else "expired"
    spent = format_tao(key.spent_rao)
    cap = "" if key.cap_rao is None else f" of {format_tao(key.cap_rao)}"
    until = "" if key.expires_at is None else f"  until {key.expires_at:%Y-%m-%d %H:%M}"
    return f"{key.id}  {state:7}  spent {spent}{cap} TAO{until}  {key.label}".rstrip()


def find_wallet(wallet_path: str, account: str) -> str:
    """Return the name of the wallet that an account means: itself, or whose coldkey it is."""
    folder = os.path.expanduser(wallet_path)
    if os.path.isdir(os.path.join(folder, account)):
        return account
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if read_address(os.path.join(folder, name, "coldkeypub.txt")) == account:
            return name
    raise NotFound(
        f"no wallet in {folder} is called {account!r} or has that coldkey; "
        "`taonet wallet list` shows all"
    )


def read_address(path: str) -> str | None:
    try:
        with open(path) as file:
            content: dict[str, Any] = json.load(file)
    except (OSError, ValueError):
        return None
    return content.get("ss58Address")
