"""The seed at rest: in a file, encrypted under a passphrase (scrypt, then AES-256-GCM)."""

import json
import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

SEED_BYTES: Final = 32
FILE_MODE: Final = 0o600
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
PASSPHRASE_LETTERS_MIN: Final = 12
COST: Final = 2**15
"""Scrypt's: 32 MB and about a tenth of a second for each guess."""
PURPOSE: Final = b"taonet exchange seed 1"


class WrongPassphrase(RuntimeError):
    """The file does not open."""


def ensure_seed(path: Path, passphrase: str) -> bytes:
    """Return the seed in the file, made at the first call, readable with the passphrase only."""
    if len(passphrase) < PASSPHRASE_LETTERS_MIN:
        raise WrongPassphrase(
            f"the wallet's passphrase has at least {PASSPHRASE_LETTERS_MIN} letters; "
            "set TAONET_EXCHANGE_WALLET_PASSPHRASE"
        )
    if not path.exists():
        save_private(path, _seal(secrets.token_bytes(SEED_BYTES), passphrase))
    check_private(path)
    return _open(path, passphrase)


def ensure_secret(path: Path) -> bytes:
    """Return a secret of 32 bytes from a file, made at the first call."""
    if not path.exists():
        save_private(path, secrets.token_hex(SEED_BYTES))
    check_private(path)
    secret = bytes.fromhex(path.read_text().strip())
    if len(secret) != SEED_BYTES:
        raise ValueError(f"{path} does not hold {SEED_BYTES} bytes in hex")
    return secret


def save_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with open(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def check_private(path: Path) -> None:
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} is readable by others; chmod 600 it")


def _seal(seed: bytes, passphrase: str) -> str:
    salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES)
    sealed = AESGCM(_stretch(passphrase, salt)).encrypt(nonce, seed, PURPOSE)
    return json.dumps({"salt": salt.hex(), "nonce": nonce.hex(), "sealed": sealed.hex()})


def _open(path: Path, passphrase: str) -> bytes:
    try:
        box = {name: bytes.fromhex(value) for name, value in json.loads(path.read_text()).items()}
        key = _stretch(passphrase, box["salt"])
        return AESGCM(key).decrypt(box["nonce"], box["sealed"], PURPOSE)
    except (InvalidTag, ValueError, KeyError, AttributeError):
        raise WrongPassphrase(
            f"{path} does not open with this passphrase; restore the one that belongs to it"
        ) from None


def _stretch(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt, length=32, n=COST, r=8, p=1).derive(passphrase.encode())
