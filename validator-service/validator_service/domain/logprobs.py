"""Log-probabilities as OpenAI's clients read them, and the bytes that tokens stand for."""

import math

IMPOSSIBLE = -9999.0
"""What stands for the logarithm of nothing: JSON has no infinity."""


def clean_logprob(value: float) -> float:
    """Return a Server's ln p as one that can be: at most 0, and a number."""
    return max(IMPOSSIBLE, min(0.0, value)) if math.isfinite(value) else IMPOSSIBLE


def byte_alphabet() -> dict[str, int]:
    """
    Return which byte each letter of a byte-level vocabulary stands for.

    Printable characters of Latin-1 are themselves; the other bytes, in order, are the letters
    from U+0100 on (GPT-2's `bytes_to_unicode`).
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    letters = {chr(byte): byte for byte in printable}
    return letters | {chr(0x100 + place): byte for place, byte in enumerate(others)}


def read_token(token: str, alphabet: dict[str, int]) -> bytes:
    """Return the bytes of a vocabulary's entry; one that is not byte-level is its own text."""
    if all(letter in alphabet for letter in token):
        return bytes(alphabet[letter] for letter in token)
    return token.encode()
