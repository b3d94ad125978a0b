"""The running containers, asked as their users would ask them."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
from openai import OpenAI, OpenAIError
from tests.compose.engine import EngineFailed, compose

from chain_service.client import ChainClient
from exchange_service.client import ExchangeClient, ExchangeRefusal

CHAIN = "http://127.0.0.1:9944"
GATEWAY = "http://127.0.0.1:8080"
EXCHANGE = "http://127.0.0.1:8070"
PROMETHEUS = "http://127.0.0.1:9090"
MODEL = "network/best"
NOT_YET = (httpx.HTTPError, OpenAIError, EngineFailed, ExchangeRefusal)
"""How each door says that it, or what it stands on, is away."""


def wait_for(what: str, seen: Callable[[], bool], seconds: float) -> None:
    """Ask again until it is so; what does not answer yet is not so yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if seen():
                return
        except NOT_YET:
            pass
        assert time.monotonic() < deadline, f"{seconds:.0f} s and still not: {what}"
        time.sleep(0.5)


def height() -> int:
    return int(httpx.get(f"{CHAIN}/head").raise_for_status().json()["height"])


def block_hash(at: int) -> str:
    header = httpx.get(f"{CHAIN}/blocks/{at}").raise_for_status().json()
    return str(header["header"]["block_hash"])


def neurons() -> dict[str, dict[str, Any]]:
    found = httpx.get(f"{CHAIN}/metagraph").raise_for_status().json()["neurons"]
    return {neuron["name"]: neuron for neuron in found}


def api_key() -> str:
    return compose("exec", "-T", "treasury", "cat", "/data/treasury/secrets/demo-api-key").strip()


def ask(words: int = 12) -> str:
    with OpenAI(base_url=f"{GATEWAY}/v1", api_key=api_key(), max_retries=0) as client:
        answer = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Once upon a time"}],
            max_tokens=words,
        )
    return answer.choices[0].message.content or ""


def trade() -> str:
    """Buy a tenth of a TAO at the market with test coins; return the order's state, or nothing."""
    name = f"trader-{time.time_ns()}"
    made = httpx.post(f"{EXCHANGE}/exchange/v1/keys", json={"name": name, "funded": True})
    key = made.raise_for_status().json()
    if not key["faucet_txid"]:
        return ""  # The signer or Bitcoin's node is away; this trader stays without coins.
    with ExchangeClient(EXCHANGE, key["api_key"], key["secret"]) as trader:
        # They come by Bitcoin's chain, and count after its confirmations.
        wait_for("the test coins", lambda: float(trader.balances()["BTC"][0]) > 0, 60)
        wait_for("somebody sells", lambda: bool(trader.depth(limit=5)["asks"]), 60)
        return str(trader.market_order("BUY", "0.10")["status"])


def check_tls() -> str:
    """Ask each door by Caddy: what is for all is there, by HTTPS alone; what is not, is not."""
    doors = ("localhost", "api.localhost", "exchange.localhost", "chain.localhost")
    # Caddy signs for `localhost` by an authority of its own, in a volume that no browser knows.
    with httpx.Client(verify=False) as http:

        def ask(scheme: str, door: str, path: str) -> httpx.Response:
            named = {"sni_hostname": door}
            url = f"{scheme}://127.0.0.1{path}"
            return http.get(url, headers={"Host": door}, extensions=named)

        for door in doors:
            assert ask("http", door, "/healthz").headers["location"].startswith("https://"), door
            assert ask("https", door, "/metrics").status_code == httpx.codes.NOT_FOUND, door
            healthy = ask("https", door, "/healthz").raise_for_status()
            assert "strict-transport-security" in healthy.headers, door
    return f"{len(doors)} doors by HTTPS; /metrics is not there; plain HTTP is sent on"


def check_books() -> None:
    """Hold chain, gateway and exchange to their own invariants."""
    with ChainClient(CHAIN) as chain:
        supply = chain.supply()
    held = supply.free_rao + supply.stake_rao + supply.pot_rao
    assert held == supply.issuance_rao, supply
    audit = httpx.get(f"{EXCHANGE}/exchange/v1/audit").raise_for_status().json()
    assert audit["sound"], audit
    wait_for("the gateway's books balance", gateway_balances, 60)


def gateway_balances() -> bool:
    # In the moment between a payment on chain and its entry the two may differ: hence `wait_for`.
    return bool(httpx.get(f"{GATEWAY}/v1/audit").raise_for_status().json()["balanced"])


def targets() -> list[dict[str, Any]]:
    found = httpx.get(f"{PROMETHEUS}/api/v1/targets").raise_for_status().json()
    return [target for target in found["data"]["activeTargets"] if target["health"] == "up"]


def spoken(container_states: list[dict[str, Any]]) -> str:
    return json.dumps({one["Name"]: one["Status"] for one in container_states}, indent=1)
