"""The chain's commands, which the `taonet` command mounts: `metagraph`, `transfer`, `stake`, …"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from chain_service.client import ChainClient
from chain_service.laboratory.states import run_state
from chain_service.laboratory.vectors import check_path
from chain_service.schemas import Neuron, Receipt
from taonet.kit.errors import Malformed
from taonet.kit.keys import Keypair, check_address, load_coldkey, load_hotkey
from taonet.kit.money import format_tao, parse_tao

ChainOption = Annotated[
    str, typer.Option("--chain", envvar="TAONET_CHAIN_URL", help="Where the chain answers.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
PathOption = Annotated[
    str, typer.Option("--wallet-path", envvar="TAONET_WALLET_PATH", help="The folder of wallets.")
]
WalletOption = Annotated[
    str, typer.Option("--wallet", envvar="TAONET_WALLET_NAME", help="Which coldkey.")
]
HotkeyOption = Annotated[
    str, typer.Option("--hotkey", envvar="TAONET_HOTKEY_NAME", help="A hotkey's name, or address.")
]
AmountArgument = Annotated[str, typer.Argument(help="In TAO, such as 1.5.")]

CHAIN_URL = "http://127.0.0.1:9944"
WALLET_PATH = "~/.bittensor/wallets"
SHARE_DECIMALS = 4
ADDRESS_LENGTH_MIN = 46
ROWS = {"neurons": {"__all__": {"weights", "bonds_rao"}}}
"""What is asked for neuron by neuron, and would be empty in a list."""

chain_app = typer.Typer(no_args_is_help=True)
stake_app = typer.Typer(no_args_is_help=True)


def metagraph(chain: ChainOption = CHAIN_URL, as_json: JsonOption = False) -> None:
    """Show all neurons: what they are worth to each other, and what they are paid."""
    with ChainClient(chain) as client:
        graph = client.metagraph()
    if as_json:
        typer.echo(
            graph.model_dump_json(exclude={"neurons": {"__all__": {"weights", "bonds_rao"}}})
        )
        return
    table = Table(title=f"block {graph.height}", box=None, header_style="dim", padding=(0, 1, 0, 0))
    for title in ("uid", "name", "hotkey"):
        table.add_column(title)
    for title in ("stake", "trust", "consensus", "incentive", "dividends", "emission"):
        table.add_column(title, justify="right", no_wrap=True)
    for neuron in graph.neurons:
        table.add_row(*_describe(neuron), style=None if neuron.active else "dim")
    Console().print(table)


def transfer(
    receiver: Annotated[str, typer.Argument(help="The receiver's address.")],
    amount: AmountArgument,
    chain: ChainOption = CHAIN_URL,
    wallet: WalletOption = "default",
    wallet_path: PathOption = WALLET_PATH,
    as_json: JsonOption = False,
) -> None:
    """Send TAO from a wallet's coldkey to an address."""
    arguments = {"receiver": check_address(receiver), "amount_rao": _read_tao(amount)}
    _execute(chain, load_coldkey(wallet_path, wallet), "transfer", arguments, as_json)


@stake_app.command("add")
def add_stake(
    amount: AmountArgument,
    chain: ChainOption = CHAIN_URL,
    wallet: WalletOption = "default",
    hotkey: HotkeyOption = "default",
    wallet_path: PathOption = WALLET_PATH,
    as_json: JsonOption = False,
) -> None:
    """Put money behind your own neuron."""
    arguments = {
        "hotkey": _resolve_hotkey(wallet_path, wallet, hotkey),
        "amount_rao": _read_tao(amount),
    }
    _execute(chain, load_coldkey(wallet_path, wallet), "add_stake", arguments, as_json)


@stake_app.command("remove")
def remove_stake(
    amount: AmountArgument,
    chain: ChainOption = CHAIN_URL,
    wallet: WalletOption = "default",
    hotkey: HotkeyOption = "default",
    wallet_path: PathOption = WALLET_PATH,
    as_json: JsonOption = False,
) -> None:
    """Take money back from your own neuron, at once."""
    arguments = {
        "hotkey": _resolve_hotkey(wallet_path, wallet, hotkey),
        "amount_rao": _read_tao(amount),
    }
    _execute(chain, load_coldkey(wallet_path, wallet), "remove_stake", arguments, as_json)


def register(
    chain: ChainOption = CHAIN_URL,
    wallet: WalletOption = "default",
    hotkey: Annotated[
        str, typer.Option("--hotkey", envvar="TAONET_HOTKEY_NAME", help="A hotkey's name.")
    ] = "default",
    wallet_path: PathOption = WALLET_PATH,
    as_json: JsonOption = False,
) -> None:
    """Register a hotkey by proof of work; it costs computing time and no money."""
    keypair = load_hotkey(wallet_path, wallet, hotkey)
    coldkey = load_coldkey(wallet_path, wallet).ss58_address
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with (
        ChainClient(chain) as client,
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
    ):
        difficulty = client.parameters().difficulty
        task = progress.add_task(f"working: {difficulty:,} hashes on average")
        uid = client.register_by_work(
            keypair,
            coldkey,
            lambda tried: progress.update(
                task, description=f"{tried:,} hashes tried, {difficulty:,} on average"
            ),
        )
    if as_json:
        typer.echo(json.dumps({"uid": uid, "hotkey": keypair.ss58_address}))
    else:
        typer.echo(f"{keypair.ss58_address} is registered as uid {uid}")


@chain_app.command("supply")
def supply(
    at: Annotated[int | None, typer.Option(help="At this block; without it, now.")] = None,
    chain: ChainOption = CHAIN_URL,
    as_json: JsonOption = False,
) -> None:
    """Show all TAO there is, and where: free + stake + pot == issuance, to the rao."""
    with ChainClient(chain) as client:
        found = client.supply(at)
    if as_json:
        typer.echo(found.model_dump_json())
        return
    typer.echo(f"block    {found.height:>24,}")
    for name in ("issuance", "free", "stake", "pot"):
        typer.echo(f"{name:<8} {format_tao(getattr(found, f'{name}_rao')):>24} TAO")


@chain_app.command("block")
def block(
    height: Annotated[int | None, typer.Argument(help="Without it, the newest.")] = None,
    chain: ChainOption = CHAIN_URL,
) -> None:
    """Show a block, as JSON."""
    with ChainClient(chain) as client:
        found = client.block(client.head().height if height is None else height)
    typer.echo(found.model_dump_json(indent=2))


@chain_app.command("extrinsic")
def extrinsic(
    extrinsic_hash: Annotated[str, typer.Argument(metavar="HASH")],
    chain: ChainOption = CHAIN_URL,
) -> None:
    """Show what became of an extrinsic, as JSON."""
    with ChainClient(chain) as client:
        typer.echo(client.receipt(extrinsic_hash).model_dump_json(indent=2))


@chain_app.command("parameters")
def parameters(chain: ChainOption = CHAIN_URL) -> None:
    """Show the chain's parameters, as JSON."""
    with ChainClient(chain) as client:
        typer.echo(client.parameters().model_dump_json(indent=2))


@chain_app.command("proof")
def proof(
    whom: Annotated[str, typer.Argument(metavar="ADDRESS|UID", help="An account, or a neuron.")],
    chain: ChainOption = CHAIN_URL,
) -> None:
    """Fetch a proof of what an account holds, as JSON; verify_proof.py checks it without trust."""
    with ChainClient(chain) as client:
        found = client.neuron_proof(int(whom)) if whom.isdecimal() else client.account_proof(whom)
    typer.echo(found.model_dump_json(indent=2))


def step(
    rule: Annotated[str, typer.Option(help="nakamoto or yuma.")] = "nakamoto",
) -> None:
    """Run one step of a consensus rule: a state as JSON goes in, scores and pay come out."""
    typer.echo(json.dumps(run_state(sys.stdin.buffer.read(), rule)))


def vectors(
    path: Annotated[Path, typer.Argument(help="A file of test vectors, or a folder of them.")],
) -> None:
    """Check the rules against numbers: ok, or the first field that differs and exit code 1."""
    differing = 0
    for verdict in check_path(path):
        typer.echo(f"{verdict.name}: {verdict.told}")
        differing += verdict.differs
    if differing:
        typer.echo(f"{differing} differ", err=True)
        raise typer.Exit(1)


def _describe(neuron: Neuron) -> list[str]:
    shares = (neuron.trust, neuron.consensus, neuron.incentive, neuron.dividends)
    return [
        str(neuron.uid),
        neuron.name or "–",
        f"{neuron.hotkey[:6]}…",
        format_tao(neuron.stake_rao, SHARE_DECIMALS),
        *(f"{share:.{SHARE_DECIMALS}f}" for share in shares),
        format_tao(neuron.emission_rao, SHARE_DECIMALS),
    ]


def _execute(
    chain: str, keypair: Keypair, call: str, arguments: dict[str, Any], as_json: bool
) -> None:
    """Carry out a call, and say in which block it was."""
    with ChainClient(chain) as client:
        receipt: Receipt = client.execute(keypair, call, arguments)
    if as_json:
        typer.echo(receipt.model_dump_json())
    else:
        typer.echo(f"done in block {receipt.height}, fee {format_tao(receipt.fee_rao)} TAO")


def _read_tao(text: str) -> int:
    try:
        return parse_tao(text)
    except ValueError as error:
        raise Malformed(str(error)) from None


def _resolve_hotkey(wallet_path: str, wallet: str, hotkey: str) -> str:
    """Return the address of a hotkey that is named, or given by its address."""
    if len(hotkey) >= ADDRESS_LENGTH_MIN:
        return check_address(hotkey)
    return str(load_hotkey(wallet_path, wallet, hotkey).ss58_address)
