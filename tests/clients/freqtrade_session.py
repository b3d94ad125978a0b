"""Run freqtrade in live mode as docs/trading.md says: an entry, its fill, a stop, its trigger.

`python -m tests.clients.freqtrade_session PYTHON`, where PYTHON has freqtrade installed.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.clients.market import living_market
from tests.clients.run import ROOT, running_stores
from tests.exchange.live import open_trader, running_exchange

from exchange_service.client import ExchangeClient

RECIPE = ROOT / "docs" / "trading"
EXAMPLE_ADDRESS = "127.0.0.1:8070"
WAIT_SECONDS = 240


def main(python: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="taonet-freqtrade-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        with (
            running_stores(home) as (database_url, redis_url),
            running_exchange(database_url, redis_url, home) as url,
            living_market(url),
        ):
            client, api_key, secret = open_trader(url, "freqtrade")
            process = start(python, home, url, api_key, secret)
            try:
                watch(client, url)
            except TimeoutError:
                print((home / "freqtrade.log").read_text())
                raise
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(60)


def start(
    python: Path, home: Path, url: str, api_key: str, secret: str
) -> "subprocess.Popen[bytes]":
    """Start freqtrade with the recipe's files, address and keys filled in."""
    text = (RECIPE / "freqtrade.json").read_text()
    text = text.replace(EXAMPLE_ADDRESS, url.removeprefix("http://"))
    (home / "config.json").write_text(
        text.replace("API_KEY", api_key).replace('"SECRET"', json.dumps(secret))
    )
    strategies = home / "strategies"
    strategies.mkdir()
    shutil.copy(RECIPE / "take_one.py", strategies)
    command = [str(python), "-m", "freqtrade", "trade", "--config", str(home / "config.json")]
    command += ["--strategy", "TakeOne", "--strategy-path", str(strategies)]
    command += ["--db-url", f"sqlite:///{home}/trades.sqlite", "--user-data-dir", str(home)]
    command += ["--logfile", str(home / "freqtrade.log")]
    return subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def watch(client: ExchangeClient, url: str) -> None:
    """Wait for each step, and print it."""
    entry = wait_for(lambda: first(client, "LIMIT", "FILLED"))
    print("entry filled:", entry["orderId"], entry["executedQty"], "TAO")
    stop = wait_for(lambda: first(client, "STOP_LOSS_LIMIT", "NEW"))
    print("stop on the exchange:", stop["orderId"], "at", stop["stopPrice"])
    crash(url, stop["stopPrice"])
    sold = wait_for(lambda: first(client, "STOP_LOSS_LIMIT", "FILLED"))
    print("stop triggered and filled:", sold["orderId"], sold["cummulativeQuoteQty"], "BTC")


def first(client: ExchangeClient, kind: str, status: str) -> Any:
    orders = [one for one in client.all_orders() if (one["type"], one["status"]) == (kind, status)]
    return orders[0] if orders else None


def wait_for(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(1)
    raise TimeoutError("freqtrade did not come so far")


def crash(url: str, price: str) -> None:
    """Sell through the book, down to the stop."""
    seller, _, _ = open_trader(url, "crash-seller", tao=20)
    buyer, _, _ = open_trader(url, "crash-buyer")
    buyer.limit_order("BUY", price[:8], "8")
    seller.limit_order("SELL", price[:8], "5")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
