"""`taonet exchange …` and `taonet lab match`: keys for traders, and the engine by itself."""

import sys
import threading
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer
from rich.console import Console

from exchange_service.authentication import Permission
from exchange_service.client import ExchangeClient
from exchange_service.domain.commands import SelfTrade
from exchange_service.domain.laboratory import Laboratory, MalformedCommand
from exchange_service.domain.symbol import PPM
from exchange_service.flow import simulate
from exchange_service.funds.commands import (
    await_faucet,
    check_reserves,
    describe_comparison,
    print_reserves,
)
from exchange_service.switch.commands import TOKEN_FILE, change_fees, read_token, turn_market
from exchange_service.switch.operations import MarketStatus
from taonet.kit.logging import configure_logging

exchange_app = typer.Typer(help="Trade TAO for BTC.", no_args_is_help=True)
key_app = typer.Typer(help="API keys of traders.", no_args_is_help=True)
exchange_app.add_typer(key_app, name="key")

UrlOption = Annotated[
    str, typer.Option("--url", envvar="TAONET_EXCHANGE_URL", help="Where the exchange answers.")
]
TokenOption = Annotated[
    Path,
    typer.Option(
        envvar="TAONET_EXCHANGE_OPERATOR_TOKEN_FILE", help="File with the operator's token."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_URL = "http://127.0.0.1:8070"
SIMULATED: Final = Path("~/.taonet/simulated-traders.json")


@key_app.callback()
def key_commands() -> None:
    """Keep `new` a command of its own, however few there are."""


@key_app.command("new")
def create_key(
    name: Annotated[str, typer.Option(help="The account's name; nobody else's.")],
    funded: Annotated[
        bool, typer.Option("--funded", help="Take 1 test BTC, and wait until it is there.")
    ] = False,
    permission: Annotated[
        list[Permission] | None, typer.Option(help="What it may do; all three unless given.")
    ] = None,
    address: Annotated[
        list[str] | None, typer.Option(help="IP address it works from; any unless given.")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option(help="Ed25519 public key (PEM) instead of a secret.")
    ] = None,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """Open an account and print its key; the secret is shown this once."""
    terms = {
        "permissions": permission or list(Permission),
        "addresses": address or [],
        "public_key": public_key.read_text() if public_key else None,
    }
    with ExchangeClient(url) as client:
        key = client.create_key(name, funded, **terms)
    # Shown before anything else can fail: nobody tells the secret again.
    if as_json:
        typer.echo(orjson.dumps({"api_key": key.api_key, "secret": key.secret}))
    else:
        typer.echo(f"account  {key.name}, number {key.account_id}")
        typer.echo(f"api key  {key.api_key}")
        typer.echo(f"secret   {key.secret}")
    if funded and key.secret:
        await_faucet(url, key)


@exchange_app.command("audit")
def audit(
    deep: Annotated[
        bool, typer.Option("--deep", help="Check everything anew: the operator's, with a token.")
    ] = False,
    token_file: TokenOption = TOKEN_FILE,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """Check the books: exit 1 unless every invariant holds."""
    with ExchangeClient(url) as client:
        view = client.audit(read_token(token_file) if deep else "")
    if as_json:
        typer.echo(view.model_dump_json())
    else:
        typer.echo("the books are sound" if view.sound else "\n".join(view.faults))
        typer.echo(describe_comparison(view.holdings_compared_ms))
    raise typer.Exit(0 if view.sound else 1)


@exchange_app.command("reserves")
def reserves(url: UrlOption = DEFAULT_URL, as_json: JsonOption = False) -> None:
    """Fetch a proof of reserves and verify it: exit 1 unless it holds."""
    with ExchangeClient(url) as client:
        proof, fault = check_reserves(client)
    if as_json:
        typer.echo(proof.model_dump_json())
    else:
        print_reserves(proof, fault)
    raise typer.Exit(1 if fault else 0)


@exchange_app.command("market")
def market(
    status: Annotated[
        MarketStatus | None, typer.Argument(help="Turn it to this; only shown unless given.")
    ] = None,
    token_file: TokenOption = TOKEN_FILE,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """Show whether new orders are taken; CANCEL_ONLY refuses them, cancelling goes on."""
    view = turn_market(url, status, token_file)
    typer.echo(view.model_dump_json() if as_json else view.status)


@exchange_app.command("fees")
def fees(
    name: Annotated[str, typer.Argument(help="The account's name.")],
    maker_ppm: Annotated[
        int | None, typer.Option(min=0, max=PPM, help="For orders that rest, in millionths.")
    ] = None,
    taker_ppm: Annotated[
        int | None, typer.Option(min=0, max=PPM, help="For orders that take, in millionths.")
    ] = None,
    token_file: TokenOption = TOKEN_FILE,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """Show what an account pays, in millionths of the quote, or set it for its next orders."""
    view = change_fees(url, name, maker_ppm, taker_ppm, token_file)
    if as_json:
        typer.echo(view.model_dump_json())
    else:
        typer.echo(f"{view.name}: maker {view.maker_ppm} ppm, taker {view.taker_ppm} ppm")


@exchange_app.command("simulate")
def run_simulation(
    url: UrlOption = DEFAULT_URL,
    traders: Annotated[int, typer.Option(min=1, max=20, help="How many accounts.")] = 3,
    seconds: Annotated[float, typer.Option(help="How long; 0: until Ctrl-C.")] = 60.0,
    pause: Annotated[float, typer.Option(help="Seconds between two looks.")] = 0.5,
    seed: Annotated[int, typer.Option(help="The same seed does the same.")] = 1,
    keys: Annotated[
        Path,
        typer.Option(
            envvar="TAONET_SIMULATED_TRADERS_FILE", help="Where the traders' API keys are kept."
        ),
    ] = SIMULATED,
    as_json: JsonOption = False,
) -> None:
    """Trade test coins from accounts named `simulated-trader-N`: a market to look at."""
    # A refused order is no news here, and standard output is the answer's.
    configure_logging("simulated-traders", "warning")
    stop = threading.Event()
    if seconds:
        threading.Timer(seconds, stop.set).start()
    try:
        with Console(stderr=True).status("simulated traders open their accounts") as status:
            orders = simulate(
                url,
                keys.expanduser(),
                traders,
                seed,
                pause,
                stop,
                lambda count: status.update(f"simulated: {count} orders"),
            )
    finally:
        stop.set()
    result = {"simulated": True, "traders": traders, "orders": orders}
    typer.echo(orjson.dumps(result) if as_json else f"{orders} simulated orders were placed")


def match(
    self_trade: Annotated[
        SelfTrade, typer.Option(help="What happens when an owner would meet itself.")
    ] = SelfTrade.EXPIRE_MAKER,
) -> None:
    """Run the bare matching engine: commands from standard input, a report a line out.

    A command is a line of JSON: {"op": "new", "id": 1, "side": "BUY", "type": "LIMIT",
    "price_sat": 500000, "quantity_rao": 10000000, "tif": "GTC", "owner": "ann"},
    {"op": "cancel", "id": 1} or {"op": "amend", "id": 1, "quantity_rao": 10000000}.
    """
    laboratory = Laboratory(self_trade)
    for number, line in enumerate(sys.stdin.buffer, start=1):
        if not line.strip():
            continue
        try:
            reports = laboratory.run(_read_line(line))
        except MalformedCommand as error:
            typer.echo(f"line {number} is no command: {error}", err=True)
            raise typer.Exit(1) from None
        for report in reports:
            sys.stdout.buffer.write(orjson.dumps(report) + b"\n")
    sys.stdout.buffer.flush()


def _read_line(line: bytes) -> dict[str, object]:
    try:
        command = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise MalformedCommand(str(error)) from None
    if not isinstance(command, dict):
        raise MalformedCommand("a command is a JSON object")
    return command
