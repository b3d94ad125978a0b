"""Keys and wallets: sr25519 pairs with SS58 addresses, in the ecosystem's own files."""

import contextlib
import os
import shutil
import sys
from functools import lru_cache
from pathlib import Path

import sr25519
from bittensor_wallet import Keyfile, Keypair, Wallet
from bittensor_wallet.errors import KeyFileError, PasswordError

from taonet.kit.errors import Malformed, NotFound, Unauthenticated

ADDRESSES_KEPT = 16_384
SS58_PREFIX = 42
"""What an address of this network begins with, under its base 58."""

__all__ = [
    "Keypair",
    "check_address",
    "check_signature",
    "encrypt_coldkey",
    "ensure_hotkeys",
    "ensure_wallet",
    "given_password",
    "load_coldkey",
    "load_hotkey",
]


@lru_cache(ADDRESSES_KEPT)
def _read_address(address: str) -> Keypair:
    """Return the public half of an address; reading one costs a tenth of checking a signature."""
    return Keypair(ss58_address=address)


@lru_cache(ADDRESSES_KEPT)
def _read_public_key(address: str) -> bytes:
    return _read_address(address).public_key or b""


@lru_cache(ADDRESSES_KEPT)
def check_address(address: str) -> str:
    """
    Return the address if it is a valid SS58 one of the prefix 42, else refuse.

    A key has an address for each prefix; here it must have one only, or it would be many accounts.
    """
    try:
        public_key = _read_public_key(address).hex()
        own = Keypair(public_key=public_key, ss58_format=SS58_PREFIX).ss58_address
    except Exception:
        raise Malformed(
            f"{address[:60]!r} is not an SS58 address; check it for typing errors"
        ) from None
    if own != address:
        raise Malformed(f"{address[:60]!r} has another network's prefix; here this key is {own}")
    return address


def check_signature(address: str, message: bytes, signature_hex: str) -> None:
    """
    Refuse unless the signature over the message is the address's own.

    The faster library says yes; before a no, the ecosystem's own is asked, which also knows how
    browser extensions wrap what they sign.
    """
    try:
        signature = bytes.fromhex(signature_hex)
        valid = sr25519.verify(signature, message, _read_public_key(address)) or _read_address(
            address
        ).verify(message, signature)
    except Exception:
        valid = False
    if not valid:
        raise Unauthenticated(f"the signature is not {address[:60]}'s over these bytes")


def ensure_wallet(path: Path, name: str, hotkeys: list[str], password: str | None = None) -> Wallet:
    """
    Create what is missing of a wallet, and return it; existing keys are never touched.

    Without a password the coldkey lies unencrypted, readable by its owner only: for the box,
    whose coins are worth nothing outside it.
    """
    _check_name(name)
    wallet = Wallet(name=name, path=str(path))
    if not wallet.coldkey_file.exists_on_device():
        wallet.create_new_coldkey(
            use_password=password is not None, coldkey_password=password, suppress=True
        )
    ensure_hotkeys(path, name, hotkeys)
    return wallet


def encrypt_coldkey(path: Path, name: str, password: str) -> bool:
    """Encrypt a coldkey that lies open; say whether one did. A crash leaves the open one whole."""
    file = Wallet(name=name, path=str(path)).coldkey_file
    if file.is_encrypted():
        return False
    fresh = Path(f"{file.path}.new")
    fresh.touch(0o600)
    shutil.copyfile(file.path, fresh)
    Keyfile(path=str(fresh)).encrypt(password)
    fresh.replace(file.path)
    return True


def ensure_hotkeys(path: Path, name: str, hotkeys: list[str]) -> None:
    """Create the hotkeys that a wallet lacks; all its files become its owner's alone."""
    for hotkey in hotkeys:
        holder = Wallet(name=name, hotkey=_check_name(hotkey), path=str(path))
        if not holder.hotkey_file.exists_on_device():
            holder.create_new_hotkey(use_password=False, suppress=True)
    for file in (path / name).rglob("*"):
        os.chmod(file, 0o700 if file.is_dir() else 0o600)


def _check_name(name: str) -> str:
    """Return a key's name if its file lies where keys lie, else refuse."""
    if Path(name).name != name or name in ("", ".."):
        raise Malformed(f"{name!r} can't be a key's name: take one that a file may have")
    return name


def load_hotkey(path: str, name: str, hotkey: str) -> Keypair:
    """Load the key that signs a neuron's traffic."""
    wallet = Wallet(name=name, hotkey=hotkey, path=str(Path(path).expanduser()))
    if not wallet.hotkey_file.exists_on_device():
        raise NotFound(
            f"no hotkey {hotkey!r} in the wallet {name!r} in {path}; `taonet wallet list` shows all"
        )
    keypair: Keypair = wallet.hotkey
    return keypair


def given_password() -> str | None:
    """Return what coldkeys are encrypted with, where TAONET_WALLET_PASSWORD says so."""
    return os.environ.get("TAONET_WALLET_PASSWORD")


def load_coldkey(path: str, name: str, password: str | None = None) -> Keypair:
    """Load the key that owns a wallet's money; asks for the password where it is encrypted."""
    wallet = Wallet(name=name, path=str(Path(path).expanduser()))
    if not wallet.coldkey_file.exists_on_device():
        raise NotFound(f"no coldkey {name!r} in {path}; `taonet wallet list` shows all")
    try:
        # The library tells of its decrypting, which is nothing for a program that reads answers.
        with contextlib.redirect_stdout(sys.stderr):
            keypair: Keypair = wallet.get_coldkey(password=password)
    except (KeyFileError, PasswordError) as error:
        raise Unauthenticated(f"the coldkey of the wallet {name!r} stays closed: {error}") from None
    return keypair
