"""SS58 addresses: a key's 32 public bytes with a prefix and a checksum, written in base 58."""

from functools import lru_cache

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
PUBLIC_KEY_BYTES = 32
CHECKSUM_BYTES = 2


@lru_cache(maxsize=4096)
def read_public_key(address: str) -> bytes:
    """Return the public bytes of an address whose checksum was checked at the boundary."""
    number = 0
    for character in address:
        number = number * 58 + ALPHABET.index(character)
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    assert len(data) == 1 + PUBLIC_KEY_BYTES + CHECKSUM_BYTES, "an address of one prefix byte"
    return data[1 : 1 + PUBLIC_KEY_BYTES]
