"""`taonet gateway …`"""

from typing import Annotated

import typer

from taonet.kit.keys import check_address
from taonet.kit.money import format_tao, parse_tao
from validator_service.client import GatewayClient
from validator_service.ledger.commands import WALLET_PATH, Account, Wallets, signing_for
from validator_service.payouts.schemas import Statement

gateway_app = typer.Typer(help="Look into a gateway's books.", no_args_is_help=True)

Gateway = Annotated[str, typer.Option(envvar="TAONET_GATEWAY_URL", help="The gateway's address.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
GATEWAY_URL = "http://127.0.0.1:8080"


@gateway_app.callback()
def _gateway() -> None:
    """Look into a gateway's books."""


@gateway_app.command()
def statement(
    coldkey: Annotated[str | None, typer.Option(help="Payouts to this address only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many, the newest first.")] = 20,
    gateway: Gateway = GATEWAY_URL,
    as_json: AsJson = False,
) -> None:
    """List payouts to Servers, each with the calls that it pays."""
    if coldkey is not None:
        check_address(coldkey)
    with GatewayClient(gateway) as client:
        found = client.payouts(coldkey=coldkey, limit=limit)
    typer.echo(found.model_dump_json() if as_json else describe(found))


@gateway_app.command()
def audit(gateway: Gateway = GATEWAY_URL, as_json: AsJson = False) -> None:
    """Compare the gateway's books with themselves and with the chain."""
    with GatewayClient(gateway) as client:
        found = client.audit()
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        typer.echo(f"books     {format_tao(found.books_rao)} TAO")
        typer.echo(f"on chain  {format_tao(found.chain_rao + found.settling_rao)} TAO")
        typer.echo("they agree" if found.balanced else "\n".join(found.problems))
    raise typer.Exit(0 if found.balanced else 1)


@gateway_app.command()
def refund(
    account: Account,
    amount: Annotated[
        str | None, typer.Argument(help="How many TAO; all that no call holds, where unsaid.")
    ] = None,
    gateway: Gateway = GATEWAY_URL,
    wallet_path: Wallets = WALLET_PATH,
    as_json: AsJson = False,
) -> None:
    """Have a balance sent back to the account's own address, signed for by its coldkey."""
    with signing_for(account, wallet_path, gateway) as (client, keypair):
        asked = client.refund(keypair, None if amount is None else parse_tao(amount))
    if as_json:
        typer.echo(asked.model_dump_json())
    else:
        typer.echo(f"{format_tao(asked.amount_rao)} TAO are on their way to {keypair.ss58_address}")


def describe(found: Statement) -> str:
    """Return a line for each payout, and one for each of its calls."""
    lines = []
    for payout in found.payouts:
        where = f"block {payout.height}" if payout.height is not None else payout.state
        lines.append(f"{format_tao(payout.amount_rao)} TAO  {payout.coldkey}  {where}")
        lines += [
            f"    {format_tao(call.share_rao)} of {format_tao(call.cost_rao)}  "
            f"server/{call.server_uid}  {call.prompt_tokens} + {call.completion_tokens} tokens  "
            f"{call.request_id}"
            for call in payout.calls
        ]
    return "\n".join(lines) or "no payouts yet"
