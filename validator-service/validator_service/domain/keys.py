"""API keys: 256 random bits, of which only a hash is kept.

A slow hash (argon2id) protects what people can think of. Nobody can search 2^256, so one SHA-256
protects a key as well, and checking it costs microseconds instead of the tenth of a second that
each call would else wait.
"""

from enum import StrEnum
from hashlib import sha256

PREFIX = "sk-taonet-"
"""By which people, and scanners for leaked secrets, know what they see."""
SECRET_BYTES = 32
KEY_LENGTH_MAX = 100


class Scope(StrEnum):
    """What a key may be used for."""

    INFERENCE = "inference"
    """Text: chats and completions."""
    KNOWLEDGE = "knowledge"
    """Numbers: embeddings, next-token distributions, hidden states."""
    ACCOUNT = "account"
    """Reading the balance, the usage and the refunds."""


def digest_key(api_key: str) -> bytes:
    """Return what is stored of a key."""
    return sha256(api_key.encode()).digest()
