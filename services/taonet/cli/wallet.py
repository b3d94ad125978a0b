"""`taonet wallet …`: keys on this machine, and what they hold on the chain."""

import json
from pathlib import Path
from typing import Annotated

import typer

from chain_service.client import ChainClient
from taonet.kit.errors import NotFound
from taonet.kit.keys import check_address, ensure_wallet, given_password
from taonet.kit.money import format_tao
from taonet.kit.settings import ChainAccess, WalletSettings

wallet_app = typer.Typer(no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


@wallet_app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="The coldkey's name.")],
    hotkey: Annotated[
        list[str] | None, typer.Option("--hotkey", help="A hotkey's name; may be repeated.")
    ] = None,
    encrypt: Annotated[bool, typer.Option(help="Encrypt the coldkey with a password.")] = True,
) -> None:
    """Make a wallet; keys that exist are left alone."""
    folder = wallet_folder()
    is_there = (folder / name / "coldkey").exists()
    password = given_password() if encrypt else None
    if encrypt and password is None and not is_there:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    ensure_wallet(folder, name, hotkey or ["default"], password)
    if is_there:
        typer.echo(f"{name} has a coldkey already, which stays as it was", err=True)
    for key in read_keys(folder, name):
        typer.echo(f"{key['name']:<24} {key['address']}")


@wallet_app.command("list")
def list_wallets(as_json: JsonOption = False) -> None:
    """List the keys of all wallets, with their addresses."""
    folder = wallet_folder()
    keys = [
        key
        for entry in sorted(folder.glob("*"))
        if entry.is_dir()
        for key in read_keys(folder, entry.name)
    ]
    if as_json:
        typer.echo(json.dumps(keys, indent=2))
        return
    for key in keys:
        typer.echo(f"{key['name']:<24} {key['kind']:<8} {key['address']}")


@wallet_app.command("balance")
def balance(
    owner: Annotated[str | None, typer.Argument(help="A wallet's name, or an address.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what an account holds on the chain."""
    address = resolve_owner(owner or WalletSettings().wallet_name)
    with ChainClient(ChainAccess().chain_url) as chain:
        account = chain.account(address)
    if as_json:
        amounts = {"free_rao": str(account.free_rao), "stake_rao": str(account.stake_rao)}
        typer.echo(json.dumps({"address": address, **amounts}))
        return
    free, stake = format_tao(account.free_rao), format_tao(account.stake_rao)
    typer.echo(f"{address}\nfree  {free} TAO\nstake {stake} TAO")


def wallet_folder() -> Path:
    return Path(WalletSettings().wallet_path).expanduser()


def resolve_owner(owner: str) -> str:
    """Return the address of a wallet's coldkey, or the address that was given."""
    folder = wallet_folder()
    if (folder / owner).is_dir():
        return read_keys(folder, owner)[0]["address"]
    if len(owner) < 40:
        raise NotFound(f"no wallet {owner!r} in {folder}; `taonet wallet list` shows them")
    return check_address(owner)


def read_keys(folder: Path, name: str) -> list[dict[str, str]]:
    """Return the coldkey and the hotkeys of a wallet, by their public halves."""
    wallet = folder / name
    public = {"coldkey": wallet / "coldkeypub.txt"}
    hotkeys = sorted(file for file in (wallet / "hotkeys").glob("*") if file.suffix != ".txt")
    keys = [
        {"name": name, "kind": kind, "address": json.loads(file.read_text())["ss58Address"]}
        for kind, file in public.items()
        if file.exists()
    ]
    return keys + [
        {
            "name": f"{name}/{file.name}",
            "kind": "hotkey",
            "address": json.loads(file.read_text())["ss58Address"],
        }
        for file in hotkeys
    ]
