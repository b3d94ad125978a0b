"""The chain's commands, which the `taonet` command mounts: `metagraph`, `transfer`, `stake`, …"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from chain_service import audit_commands
from chain_service.client import ChainClient
from chain_service.domain.parameters import PRESETS, choose_parameters
from chain_service.laboratory.states import run_state
from chain_service.laboratory.vectors import check_path
from chain_service.reference import describe_parameters
from chain_service.schemas import ARGUMENTS, Neuron, Receipt
from chain_service.sealed import HASH
from taonet.kit.errors import Malformed
from taonet.kit.keys import Keypair, check_address, given_password, load_coldkey, load_hotkey
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
    amount: Annotated[str | None, typer.Argument(help="In TAO, such as 1.5.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Send all there is after the fee; nothing stays.")
    ] = False,
    chain: ChainOption = CHAIN_URL,
    wallet: WalletOption = "default",
    wallet_path: PathOption = WALLET_PATH,
    as_json: JsonOption = False,
) -> None:
    """Send TAO from a wallet's coldkey to an address."""
    if (amount is None) != everything:
        raise Malformed("give an amount in TAO, or --all")
    arguments: dict[str, Any] = {"receiver": check_address(receiver)}
    if amount is not None:
        arguments["amount_rao"] = _read_tao(amount)
    name = "transfer_all" if everything else "transfer"
    _execute(chain, _load_coldkey(wallet_path, wallet), name, arguments, as_json)


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
    _execute(chain, _load_coldkey(wallet_path, wallet), "add_stake", arguments, as_json)


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
    _execute(chain, _load_coldkey(wallet_path, wallet), "remove_stake", arguments, as_json)


def register(
    burn: Annotated[
        bool, typer.Option("--burn", help="Pay for the slot from the coldkey instead of working.")
    ] = False,
    chain: ChainOption = CHAIN_URL,
    wallet: WalletOption = "default",
    hotkey: Annotated[
        str, typer.Option("--hotkey", envvar="TAONET_HOTKEY_NAME", help="A hotkey's name.")
    ] = "default",
    wallet_path: PathOption = WALLET_PATH,
    as_json: JsonOption = False,
) -> None:
    """Register a hotkey by proof of work, which costs computing time and no money, or --burn."""
    keypair = load_hotkey(wallet_path, wallet, hotkey)
    coldkey = _load_coldkey(wallet_path, wallet)
    with ChainClient(chain) as client:
        if burn:
            client.execute(coldkey, "burned_register", {"hotkey": keypair.ss58_address})
        uid = _register_by_work(client, keypair, coldkey.ss58_address)
    if as_json:
        typer.echo(json.dumps({"uid": uid, "hotkey": keypair.ss58_address}))
    else:
        typer.echo(f"{keypair.ss58_address} is registered as uid {uid}")


def _register_by_work(client: ChainClient, keypair: Keypair, coldkey: str) -> int:
    """Return a hotkey's uid; where it has none, work for one, and show how far that is."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        difficulty = client.parameters().difficulty
        task = progress.add_task(f"working: {difficulty:,} hashes on average")
        return client.register_by_work(
            keypair,
            coldkey,
            lambda tried: progress.update(
                task, description=f"{tried:,} hashes tried, {difficulty:,} on average"
            ),
        )


@chain_app.command("supply")
def supply(
    at: Annotated[int | None, typer.Option(min=0, help="At this block; without it, now.")] = None,
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
    height: Annotated[int | None, typer.Argument(min=0, help="Without it, the newest.")] = None,
    chain: ChainOption = CHAIN_URL,
    as_json: JsonOption = False,
) -> None:
    """Show a block: its header, its extrinsics and what came of them, its events."""
    with ChainClient(chain) as client:
        found = client.block(client.head().height if height is None else height)
    if as_json:
        typer.echo(found.model_dump_json())
        return
    for name, value in found.header:
        typer.echo(f"{name:<16} {value}")
    for entry in found.extrinsics:
        typer.echo(f"{entry.status:<16} {entry.extrinsic.call:<16} {entry.hash}")
        if entry.error:
            typer.echo(f"{'':<16} {entry.error}")
    for event in found.events:
        fields = event.model_dump(mode="json", exclude={"kind", "height", "index"})
        told = " ".join(f"{key}={value}" for key, value in fields.items() if value is not None)
        typer.echo(f"{event.kind:<16} {told}")


@chain_app.command("extrinsic")
def extrinsic(
    extrinsic_hash: Annotated[
        str, typer.Argument(metavar="HASH", help="64 hexadecimal digits, 0x before them or not.")
    ],
    chain: ChainOption = CHAIN_URL,
    as_json: JsonOption = False,
) -> None:
    """Show what became of an extrinsic."""
    digits = extrinsic_hash.removeprefix("0x")
    if not HASH.fullmatch(digits):
        raise Malformed(f"{extrinsic_hash[:80]!r}: a hash is 64 hexadecimal digits")
    with ChainClient(chain) as client:
        receipt = client.receipt(digits)
    if as_json:
        typer.echo(receipt.model_dump_json())
        return
    where = "" if receipt.height is None else f" in block {receipt.height}"
    typer.echo(f"{receipt.status}{where}, fee {format_tao(receipt.fee_rao)} TAO")
    if receipt.error:
        typer.echo(receipt.error)


@chain_app.command("parameters")
def parameters(
    preset: Annotated[
        str | None, typer.Option(help=f"Of a preset, asking no chain: {', '.join(PRESETS)}.")
    ] = None,
    chain: ChainOption = CHAIN_URL,
    as_json: JsonOption = False,
) -> None:
    """Show the chain's parameters, or a preset's, each with its unit and source."""
    if preset is not None:
        values = choose_parameters(preset, {}).as_json()
    else:
        with ChainClient(chain) as client:
            values = client.parameters().model_dump(mode="json")
    if as_json:
        typer.echo(json.dumps(values))
        return
    table = Table(box=None, header_style="dim", padding=(0, 1, 0, 0))
    for title in ("parameter", "value", "unit", "meaning, source"):
        table.add_column(title, justify="right" if title == "value" else "left")
    described = {entry.name: entry for entry in describe_parameters()}
    for name, value in values.items():
        entry = described.get(name)
        unit, meaning = (entry.unit, entry.meaning) if entry else ("", "Live.")
        table.add_row(name, str(value), unit, meaning)
    Console().print(table)


@chain_app.command("call")
def call(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(ARGUMENTS)}.")],
    arguments: Annotated[str, typer.Argument(help='As JSON: {"hotkey": "5…"}.')],
    by_hotkey: Annotated[bool, typer.Option("--by-hotkey", help="Sign with the hotkey.")] = False,
    chain: ChainOption = CHAIN_URL,
    wallet: WalletOption = "default",
    hotkey: HotkeyOption = "default",
    wallet_path: PathOption = WALLET_PATH,
    as_json: JsonOption = False,
) -> None:
    """Carry out any call, such as nominate, swap_hotkey or a batch (docs/interfaces.md)."""
    try:
        given = json.loads(arguments)
    except ValueError as error:
        raise Malformed(f"the arguments are not JSON: {error}") from None
    if not isinstance(given, dict):
        raise Malformed("the arguments are a JSON object, such as {}")
    keypair = (
        load_hotkey(wallet_path, wallet, hotkey)
        if by_hotkey
        else _load_coldkey(wallet_path, wallet)
    )
    _execute(chain, keypair, name, given, as_json)


chain_app.command("proof")(audit_commands.proof)
chain_app.command("verify")(audit_commands.verify)
chain_app.command("export")(audit_commands.export)
chain_app.command("import")(audit_commands.import_)


def step(
    rule: Annotated[str, typer.Option(help="nakamoto or yuma.")] = "nakamoto",
) -> None:
    """Run one step of a consensus rule: a state as JSON goes in, scores and pay come out."""
    typer.echo(json.dumps(run_state(sys.stdin.buffer.read(), rule)))


def vectors(
    path: Annotated[Path, typer.Argument(help="A file of test vectors, or a folder of them.")],
) -> None:
    """
    Check the rules against numbers: ok, or the first field that differs and exit code 1.

    What no check knows, a family, a rule or a field, counts as a difference.
    """
    differing = 0
    for verdict in check_path(path):
        typer.echo(f"{verdict.name}: {verdict.told}")
        differing += verdict.differs
    if differing:
        typer.echo(f"{differing} not ok", err=True)
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


def _load_coldkey(wallet_path: str, wallet: str) -> Keypair:
    """Load a coldkey; an encrypted one's password is TAONET_WALLET_PASSWORD, or asked for."""
    return load_coldkey(wallet_path, wallet, given_password())


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
