"""The exchange's keys on the chain, all derived from one seed in one file.

Hard derivation: who learns one deposit address's key learns nothing about any other.
"""

import os
import secrets
from pathlib import Path
from typing import Final

from taonet.kit.keys import Keypair

SEED_BYTES: Final = 32
SEED_MODE: Final = 0o600


class Wallet:
    """The hot wallet, and the deposit address of every account."""

    def __init__(self, seed: bytes) -> None:
        self._seed_hex = seed.hex()
        self.hot: Keypair = self._derive("//hot")

    @property
    def address(self) -> str:
        """SS58 address of the hot wallet."""
        address: str = self.hot.ss58_address
        return address

    def deposit_key(self, account_id: int) -> Keypair:
        return self._derive(f"//deposit//{account_id}")

    def deposit_address(self, account_id: int) -> str:
        address: str = self.deposit_key(account_id).ss58_address
        return address

    def _derive(self, path: str) -> Keypair:
        return Keypair.create_from_uri(f"0x{self._seed_hex}{path}")


def ensure_seed(path: Path) -> bytes:
    """Return the seed in the file, made at the first call, readable by its owner only."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SEED_MODE)
        with open(descriptor, "w") as file:
            file.write(secrets.token_hex(SEED_BYTES))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} is readable by others; chmod 600 it")
    seed = bytes.fromhex(path.read_text().strip())
    if len(seed) != SEED_BYTES:
        raise ValueError(f"{path} does not hold a seed of {SEED_BYTES} bytes in hex")
    return seed
