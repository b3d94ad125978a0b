"""A step of every start: the operators' and the demonstration's wallets, made where missing."""

import shutil
from contextlib import suppress
from pathlib import Path

from taonet.kit.keys import encrypt_coldkey, ensure_hotkeys, ensure_wallet
from taonet.kit.logging import configure_logging, get_logger
from taonet.local.settings import WalletsSettings

OPERATOR = "operator"
PUBLIC = "coldkeypub.txt"
WALLETS = {
    OPERATOR: ["server-1", "server-2", "server-3", "server-4", "validator-1", "validator-2"],
    "chain": ["author"],
    "exchange": ["default"],
    "demo": ["default"],
}
"""Coldkeys and their hotkeys: who runs the neurons, who writes blocks, who trades, who buys."""

log = get_logger(__name__)


def main() -> None:
    settings = WalletsSettings()
    configure_logging("wallets", settings.log_level)
    path = Path(settings.wallet_path).expanduser()
    for name, hotkeys in WALLETS.items():
        handed_out = settings.handouts and name == OPERATOR
        ensure_wallet(path, name, [] if handed_out else hotkeys, settings.wallet_password)
        # One from before there was a password lies open still.
        if settings.wallet_password and encrypt_coldkey(path, name, settings.wallet_password):
            log.info("a coldkey is encrypted now", wallet=name)
    keep_deposits(path / OPERATOR)
    for folder, hotkeys in settings.handouts.items():
        hand_out(path, Path(folder), hotkeys)


def keep_deposits(folder: Path) -> None:
    """Leave the secret of deposits that both Validators shared to the one that had the deposits."""
    with suppress(FileNotFoundError):
        (folder / "deposit_seed").rename(folder / "deposit_seed.validator-1")


def hand_out(path: Path, folder: Path, hotkeys: list[str]) -> None:
    """
    Make hotkeys of the operator's in a folder of their own, beside the coldkey's public half.

    For containers: a process that serves holds the one key it signs with, and no money's.
    """
    (folder / OPERATOR).mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(path / OPERATOR / PUBLIC, folder / OPERATOR / PUBLIC)
    ensure_hotkeys(folder, OPERATOR, hotkeys)


if __name__ == "__main__":
    main()
