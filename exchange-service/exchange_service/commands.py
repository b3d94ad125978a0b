"""`taonet exchange …` and `taonet lab match`: keys for traders, and the engine by itself."""

import sys
from typing import Annotated

import orjson
import typer

from exchange_service.client import ExchangeClient
from exchange_service.domain.commands import SelfTrade
from exchange_service.domain.laboratory import Laboratory, MalformedCommand
from taonet.kit.errors import Refusal

exchange_app = typer.Typer(help="Trade TAO for BTC.", no_args_is_help=True)
key_app = typer.Typer(help="API keys of traders.", no_args_is_help=True)
exchange_app.add_typer(key_app, name="key")

UrlOption = Annotated[
    str, typer.Option("--url", envvar="TAONET_EXCHANGE_URL", help="Where the exchange answers.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_URL = "http://127.0.0.1:8070"


@key_app.callback()
def key_commands() -> None:
    """Keep `new` a command of its own, however few there are."""


@key_app.command("new")
def create_key(
    name: Annotated[str, typer.Option(help="The account's name; nobody else's.")],
    funded: Annotated[bool, typer.Option("--funded", help="Take 1 test BTC.")] = False,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """Open an account and print its key; the secret is shown this once."""
    try:
        with ExchangeClient(url) as client:
            key = client.create_key(name, funded)
    except Refusal as refusal:
        typer.echo(f"{refusal.code}: {refusal.message}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(orjson.dumps({"api_key": key.api_key, "secret": key.secret}))
        return
    typer.echo(f"account  {key.name}, number {key.account_id}")
    typer.echo(f"api key  {key.api_key}")
    typer.echo(f"secret   {key.secret}")


@exchange_app.command("audit")
def audit(url: UrlOption = DEFAULT_URL, as_json: JsonOption = False) -> None:
    """Check the books: exit 1 unless every invariant holds."""
    try:
        with ExchangeClient(url) as client:
            view = client.audit()
    except Refusal as refusal:
        typer.echo(f"{refusal.code}: {refusal.message}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(view.model_dump_json())
    else:
        typer.echo("the books are sound" if view.sound else "\n".join(view.faults))
    raise typer.Exit(0 if view.sound else 1)


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
