"""Run ccxt's own live test-suite against a running exchange: `make exchange-clients`.

The suite comes in ccxt's wheel. It refuses to run from site-packages, wants its settings two
folders above itself, and takes other addresses only as those of a sandbox.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUITE_SECONDS = 120
SKIPS: dict[str, Any] = {
    "fetchOrderBook": {"timestamp": "Binance's spot depth has no time"},
    "fetchL2OrderBook": {"timestamp": "Binance's spot depth has no time"},
    "watchOrderBook": {"timestamp": "the snapshot it begins with has no time"},
    "watchOrderBookForSymbols": {"timestamp": "the snapshot it begins with has no time"},
    "fetchTransfers": "transfers between spot, margin and futures: there is only spot",
    "fetchBorrowInterest": "there is no margin",
    "fetchMarginModes": "there is no margin",
    "fetchLeverageTiers": "there is no margin",
    "fetchLedger": "futures only, at Binance too",
    "fetchLedgerEntry": "futures only, at Binance too",
    "watchPositions": "there are no futures",
}
HAS_NOT = ("swap", "future", "option", "margin", "fetchBorrowInterest", "fetchMarginModes")
FINISHED = re.compile(r"TESTING DONE\s+binance\s+(\w+)")
FAILED = re.compile(r"TEST_FAILURE\]\s*binance\s+(\w+)")
SKIPPED = re.compile(r"SKIPPED_TEST\s+binance\s+(\w+)")


@dataclass(frozen=True)
class Verdict:
    """What one run of the suite said, by method."""

    passed: list[str]
    failed: list[str]
    skipped: list[str]
    output: str


def prepare(home: Path, site_packages: Path, url: str, api_key: str, secret: str) -> Path:
    """Lay the suite out as it wants to be; return where to run it."""
    shutil.copytree(site_packages / "ccxt", home / "python" / "ccxt")
    sockets = url.replace("http", "ws")
    api = {
        "public": f"{url}/api/v3",
        "private": f"{url}/api/v3",
        "v1": f"{url}/api/v1",
        "sapi": f"{url}/sapi/v1",
        "ws": {"spot": f"{sockets}/ws", "ws-api": {"spot": f"{sockets}/ws-api/v3"}},
    }
    settings = {
        "apiKey": api_key,
        "secret": secret,
        "sandbox": True,
        "urls": {"test": api, "api": {"ws": api["ws"]}},
        "options": {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False},
        "has": dict.fromkeys(HAS_NOT, False),
    }
    (home / "keys.local.json").write_text(json.dumps({"binance": settings}))
    skips = {"binance": {"skipMethods": SKIPS}}
    (home / "skip-tests.json").write_text(json.dumps(skips))
    return home / "python" / "ccxt" / "test"


def run_suite(python: Path, folder: Path, *arguments: str) -> Verdict:
    """Run the suite once: REST, or with `--ws` its WebSocket half."""
    environment = {**os.environ, "PYTHONPATH": str(folder.parent.parent)}
    command = [
        str(python),
        "tests_init.py",
        "--private",
        "--info",
        *arguments,
        "binance",
        "TAO/BTC",
    ]
    finished = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SUITE_SECONDS,
        check=False,
    )
    output = finished.stdout + finished.stderr
    failed = sorted(set(FAILED.findall(output)))
    passed = sorted(set(FINISHED.findall(output)) - set(failed))
    return Verdict(passed, failed, sorted(set(SKIPPED.findall(output))), output)
