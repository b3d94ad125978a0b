"""Passwords of the embedded cluster: made once, kept in files that only their owner may read."""

import os
import secrets
from pathlib import Path

SECRET_BYTES = 24
DEMO_KEY_FILE = "demo-api-key"
"""What the demonstration account shows the gateway."""


def ensure_secret(folder: Path, name: str) -> str:
    """Return a secret, made at the first call; it is complete on disk or not there at all."""
    file = folder / name
    if not file.exists():
        save_secret(folder, name, secrets.token_hex(SECRET_BYTES))
    return file.read_text().strip()


def save_secret(folder: Path, name: str, value: str) -> None:
    """Write a secret, readable by its owner only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder / f"{name}.new"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / name)


def load_secret(folder: Path, name: str) -> str | None:
    """Return a secret, or None if it was never made."""
    file = folder / name
    return file.read_text().strip() if file.exists() else None
