"""
Go the whole way of a consumer's money on a running box, and write it down.

    export TAONET_VALIDATOR_PAYOUT_MINIMUM_RAO=1000
    taonet up --detach && python tools/buying_inference.py > docs/buying-inference.md

Without that minimum the Servers' owner is paid only when 0.001 TAO are owed, which a few calls
are not worth.

What is printed is what was typed and what came back, cut where it is long; secrets are masked.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from exchange_service.client import ExchangeClient
from exchange_service.funds.commands import await_faucet

NAME = f"alice-{os.getpid()}"
WAIT_SECONDS = 240
LINES_MAX = 14
WIDTH_MAX = 150

COMPLETION = {"model": "network/best", "prompt": "def add(", "max_tokens": 48}
ENSEMBLE = {"model": "network/ensemble", "prompt": "for name in", "max_tokens": 32}
SUM = {
    "type": "object",
    "properties": {"sum": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["sum"],
    "additionalProperties": False,
}
STRUCTURED = {
    "model": "network/fast",
    "messages": [{"role": "user", "content": "What is 1 + 1?"}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "sum", "schema": SUM}},
}

HEAD = """# Buying inference, from BTC to a Server's payout

One transcript of a running box: BTC buys TAO on the exchange, the TAO is withdrawn, fills an
account at a gateway, pays for answers, and reaches the Servers that wrote them, on chain. At the
end the gateway's books and the chain agree to the rao. Made by `python tools/buying_inference.py`;
keys are masked."""


def main() -> None:
    addresses = find_addresses()
    gateway = addresses["gateway"]
    os.environ |= {
        "TAONET_GATEWAY_URL": gateway,
        "TAONET_CHAIN_URL": addresses["chain"],
        "TAONET_WALLET_PATH": tempfile.mkdtemp(),
    }
    say(HEAD)
    say("\n## 1. A wallet, a key, and no money yet")
    run(f"taonet wallet new {NAME} --no-encrypt")
    made = json.loads(run(f"taonet key new --account {NAME} --label transcript --json"))
    ask(gateway, made["api_key"], COMPLETION)
    say("\n## 2. TAO for BTC")
    buy(addresses["exchange"])
    say("\n## 3. Withdrawn, and into the account")
    withdraw(addresses["exchange"], NAME)
    top_up(gateway, made)
    say("\n## 4. Asked and answered")
    answers = [ask(gateway, made["api_key"], body) for body in (COMPLETION, ENSEMBLE, STRUCTURED)]
    show_account(gateway, made["api_key"])
    say("\n## 5. The Servers are paid")
    await_payout(addresses, [answer["id"].partition("-")[2] for answer in answers])
    say("\n## 6. The books agree with the chain, and the rest goes back")
    run("taonet gateway audit")
    refund(gateway, made["api_key"])
    audit = json.loads(run("taonet gateway audit --json"))
    assert audit["balanced"], audit["problems"]


def top_up(gateway: str, made: dict[str, str]) -> None:
    run(f"taonet transfer --wallet {NAME} {made['deposit_address']} 0.5")
    headers = bearer(made["api_key"])
    wait(lambda: int(get(f"{gateway}/v1/account", headers)["balance_rao"]) > 0)
    show_account(gateway, made["api_key"])


def show_account(gateway: str, api_key: str) -> None:
    show(f"GET {gateway}/v1/account", get(f"{gateway}/v1/account", bearer(api_key)))


def await_payout(addresses: dict[str, str], ids: list[str]) -> None:
    """Wait until each call is in a settled payout, and show one of them on chain."""
    say(
        "\nThe chain's fees for paying Servers are the Validator's own, never consumers' money:"
        "\nuntil its take covers them, its operator puts capital into the treasury. A payout waits"
        "\nuntil 0.001 TAO are owed to an owner; this box was started with"
        "\n`TAONET_VALIDATOR_PAYOUT_MINIMUM_RAO=1000`, which is 0.000001 TAO, so that few calls do."
    )
    gateway, chain = addresses["gateway"], addresses["chain"]
    treasury = get(f"{gateway}/v1/audit")["treasury_address"]
    run(f"taonet transfer --wallet operator --wallet-path {find_box_wallets()} {treasury} 0.002")
    wait(lambda: all(is_paid(gateway, request_id) for request_id in ids))
    payout = next(p for p in payouts(gateway) if ids[0] in str(p))
    run("taonet gateway statement --limit 4")
    block = get(f"{chain}/blocks/{payout['height']}")
    moved = [event for event in block["events"] if event["kind"] == "Transferred"]
    show(f"GET {chain}/blocks/{payout['height']} → its transfers", moved)


def refund(gateway: str, api_key: str) -> None:
    run(f"taonet gateway refund --account {NAME}")
    url, headers = f"{gateway}/v1/account/refunds", bearer(api_key)
    wait(lambda: get(url, headers)[0]["state"] == "settled")
    show(f"GET {url}", get(url, headers))
    run(f"taonet wallet balance {NAME}")


def bearer(api_key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {api_key}"}


def find_addresses() -> dict[str, str]:
    status = json.loads(subprocess.check_output(["taonet", "status", "--json"]))
    found = status["addresses"]
    return {name: found[name] for name in ("gateway", "exchange", "chain")}


def find_box_wallets() -> Path:
    return Path(os.environ.get("TAONET_HOME", "~/.taonet")).expanduser() / "wallets"


def buy(exchange: str) -> None:
    with ExchangeClient(exchange) as public:
        key = public.create_key(NAME, funded=True)
        show(f"POST {exchange}/exchange/v1/keys", {"name": NAME, "funded": True})
    await_faucet(exchange, key)
    with ExchangeClient(exchange, key.api_key, key.secret) as client:
        os.environ["EXCHANGE_KEY"], os.environ["EXCHANGE_SECRET"] = key.api_key, key.secret
        show("balances", client.balances())
        order = client.market_order("BUY", "1")
        shown = {
            name: order[name] for name in ("side", "status", "executedQty", "cummulativeQuoteQty")
        }
        show("market order: BUY 1 TAO", shown)
        show("balances", client.balances())


def withdraw(exchange: str, name: str) -> None:
    address = json.loads(subprocess.check_output(["taonet", "wallet", "balance", name, "--json"]))
    key, secret = os.environ["EXCHANGE_KEY"], os.environ["EXCHANGE_SECRET"]
    with ExchangeClient(exchange, key, secret) as client:
        show("withdraw 0.9 TAO to the wallet", client.withdraw("0.9", address["address"], name))
    wait(lambda: float(balance_of(name)) > 0)
    run(f"taonet wallet balance {name}")


def balance_of(name: str) -> float:
    told = json.loads(subprocess.check_output(["taonet", "wallet", "balance", name, "--json"]))
    return int(told["free_rao"])


def payouts(gateway: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get(f"{gateway}/v1/payouts?limit=100")["payouts"]
    return [payout for payout in found if payout["state"] == "settled"]


def is_paid(gateway: str, request_id: str) -> bool:
    return any(request_id in str(payout["calls"]) for payout in payouts(gateway))


def ask(gateway: str, api_key: str, body: dict[str, Any]) -> dict[str, Any]:
    path = "/v1/chat/completions" if "messages" in body else "/v1/completions"
    answer = httpx.post(f"{gateway}{path}", json=body, headers=bearer(api_key), timeout=120)
    told: dict[str, Any] = answer.json()
    title = f"POST {gateway}{path}  {json.dumps(body)} → {answer.status_code}"
    if answer.is_error:
        show(title, told["error"])
        return told
    choice = told["choices"][0]
    text = choice["text"] if "text" in choice else choice["message"]["content"]
    show(title, {"text": text, "usage": told["usage"]})
    return told


def run(command: str) -> str:
    output = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    block(f"$ {command}\n{output.stdout}{output.stderr}")
    return output.stdout


def show(title: str, body: Any) -> None:
    small = len(json.dumps(body)) <= WIDTH_MAX
    block(f"{title}\n{json.dumps(body, indent=None if small else 1, ensure_ascii=False)}")


def block(text: str) -> None:
    masked = re.sub(r"(sk-taonet-\w{4})[\w-]+", r"\1…", text.strip())
    masked = masked.replace(str(find_box_wallets()), "~/.taonet/wallets")
    lines = [shorten(line) for line in masked.splitlines()]
    shown = lines if len(lines) <= LINES_MAX + 4 else [*lines[: LINES_MAX + 2], "…"]
    say("\n```\n" + "\n".join(shown) + "\n```")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def shorten(line: str) -> str:
    return line if len(line) <= WIDTH_MAX else f"{line[:WIDTH_MAX]}…"


def get(url: str, headers: dict[str, str] | None = None) -> Any:
    return httpx.get(url, headers=headers, timeout=30).raise_for_status().json()


def wait(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come about; look at `taonet logs`")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
