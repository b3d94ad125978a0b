"""Showing a cluster's status to people."""

from typing import Any

from rich.console import Console
from rich.table import Table

from taonet.kit.money import format_tao

WHAT = {
    "explorer": "web pages: network, market, playground",
    "gateway": "OpenAI's REST, paid in TAO",
    "chain": "blocks, accounts, metagraph",
    "exchange": "Binance's REST, TAO for BTC",
    "bitcoin": "Bitcoin's JSON-RPC, regtest",
    "prometheus": "metrics",
}
CURL = """\
curl {gateway}/v1/chat/completions \\
  -H 'authorization: Bearer {key}' -H 'content-type: application/json' \\
  -d '{{"model": "network/best", "max_tokens": 24,
       "messages": [{{"role": "user", "content": "Return the sum of"}}]}}'"""


def show_status(console: Console, status: dict[str, Any]) -> None:
    """Print processes, then addresses."""
    table = Table(box=None, header_style="dim")
    for title in ("process", "pid", "state", "healthy", "port", "restarts"):
        table.add_column(title, justify="left" if title in ("process", "state") else "right")
    for process in status["processes"]:
        healthy = "[green]yes[/]" if process["healthy"] else "[red]no[/]"
        table.add_row(
            process["name"],
            str(process["pid"] or ""),
            process["state"],
            healthy,
            str(process["port"] or ""),
            str(process["restarts"]),
        )
    console.print(table)
    if status["height"] is not None:
        minted = format_tao(int(status["issuance_rao"]), 3)
        console.print(f"height {status['height']}, {minted} TAO minted", highlight=False)
    show_addresses(console, status)


def show_addresses(console: Console, status: dict[str, Any]) -> None:
    """Print where everything is, and one request to try."""
    addresses = status["addresses"]
    table = Table(box=None, show_header=False)
    for name, what in WHAT.items():
        if addresses[name] is not None:
            table.add_row(name, addresses[name], f"[dim]{what}[/]")
    console.print(table)
    if status["demo_api_key"] and addresses["gateway"]:
        console.print("\nAsk the network, as the demonstration account:", highlight=False)
        request = CURL.format(gateway=addresses["gateway"], key=status["demo_api_key"])
        # Unwrapped, so that it can be copied.
        console.print(request, highlight=False, markup=False, soft_wrap=True)
