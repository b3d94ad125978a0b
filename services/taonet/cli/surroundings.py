"""Where the commands look when nobody told them: the cluster that runs on this machine."""

import json
import os
from pathlib import Path

HOME_DEFAULT = "~/.taonet"
URLS = {
    "TAONET_CHAIN_URL": "chain",
    "TAONET_GATEWAY_URL": "validator-1-gateway",
    "TAONET_EXCHANGE_URL": "exchange",
}
"""Which setting follows from whose port."""


def point_at_cluster() -> None:
    """Set what is not set: the addresses in the local cluster's state, and its wallets."""
    home = Path(os.environ.get("TAONET_HOME", HOME_DEFAULT)).expanduser()
    try:
        ports = json.loads((home / "state.json").read_text())["ports"]
    except (OSError, ValueError, KeyError):
        return
    for variable, name in URLS.items():
        if name in ports:
            os.environ.setdefault(variable, f"http://127.0.0.1:{ports[name]}")
    os.environ.setdefault("TAONET_WALLET_PATH", str(home / "wallets"))
    os.environ.setdefault("TAONET_CORPUS_PATH", str(home / "corpus"))
