"""A step of every start: the operators' and the demonstration's wallets, made where missing."""

from pathlib import Path

from taonet.kit.keys import ensure_wallet
from taonet.kit.logging import configure_logging
from taonet.local.settings import WalletsSettings

WALLETS = {
    "operator": ["server-1", "server-2", "server-3", "server-4", "validator-1", "validator-2"],
    "chain": ["author"],
    "exchange": ["default"],
    "demo": ["default"],
}
"""Coldkeys and their hotkeys: who runs the neurons, who writes blocks, who trades, who buys."""


def main() -> None:
    settings = WalletsSettings()
    configure_logging("wallets", settings.log_level)
    for name, hotkeys in WALLETS.items():
        ensure_wallet(Path(settings.wallet_path).expanduser(), name, hotkeys)


if __name__ == "__main__":
    main()
