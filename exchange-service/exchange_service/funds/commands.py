"""`taonet exchange reserves`, the last comparison with the chains, waiting for the faucet."""

import time
from typing import Any, Final

import typer
from rich.console import Console

from exchange_service.client import ExchangeClient
from exchange_service.funds.schemas import write_moment
from exchange_service.keys.schemas import KeyView
from exchange_service.reserves.schemas import ReservesView
from exchange_service.verify_reserves import verify_proof
from taonet.kit.money import SATOSHI_PER_BTC, format_tao

FAUCET_SECONDS: Final = 120.0
POLL_SECONDS: Final = 0.5
NOTHING: Final = ("0.00000000", "0.00000000")


def await_coins(client: ExchangeClient) -> bool:
    """Wait for the faucet's deposit to be confirmed and credited; False: it took too long."""
    deadline = time.monotonic() + FAUCET_SECONDS
    with Console(stderr=True).status("the faucet's 1 BTC waits for its blocks"):
        while not any(float(part) for part in client.balances()["BTC"]):
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
    return True


def await_faucet(url: str, key: KeyView) -> None:
    """Return once a funded account has its coin, or say that it has not."""
    with ExchangeClient(url, key.api_key, key.secret) as client:
        if not key.faucet_txid:
            # Without a chain of Bitcoin the exchange gives the coin itself, at once.
            if client.balances()["BTC"] == NOTHING:
                typer.echo("the faucet gave nothing: the account is good, and empty", err=True)
        elif not await_coins(client):
            typer.echo(f"still waiting for {key.faucet_txid}; it will be credited", err=True)


def check_reserves(client: ExchangeClient) -> tuple[ReservesView, str]:
    """Return a proof, and why it does not verify; an empty text if it does."""
    proof = client.reserves()
    told: dict[str, Any] = proof.model_dump(mode="json")
    try:
        verify_proof(told)
    except (AssertionError, ValueError) as error:
        return proof, str(error) or type(error).__name__
    return proof, ""


def describe_comparison(compared_ms: int | None) -> str:
    """Say how old it is what the audit knows of the chains' holdings."""
    if compared_ms is None:
        return "not compared with the chains since the exchange started"
    return f"last compared with the chains at {write_moment(compared_ms)} UTC"


def print_reserves(proof: ReservesView, fault: str) -> None:
    held, owed = proof.held_sat / SATOSHI_PER_BTC, proof.owed_sat / SATOSHI_PER_BTC
    typer.echo(f"root       {proof.root}")
    typer.echo(f"users      {proof.users}, up to entry {proof.journal_sequence} of the journal")
    typer.echo(f"BTC        {held:.8f} held, {owed:.8f} owed, at block {proof.bitcoin_height}")
    typer.echo(
        f"TAO        {format_tao(proof.held_rao)} held, {format_tao(proof.owed_rao)} owed,"
        f" at block {proof.tao_height}"
    )
    typer.echo(f"addresses  {len(proof.controls)}, each signed for with its key")
    typer.echo(f"verified   {'no: ' + fault if fault else 'yes'}")
