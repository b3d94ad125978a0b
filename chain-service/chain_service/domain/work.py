"""
Proof of work for a registration.

seal = sha3_256(sha3_256(block_hash ‖ hotkey) ‖ nonce as 8 little-endian bytes), read as a
big-endian integer; it is accepted iff seal · difficulty < 2^256, so `difficulty` is the expected
number of hashes. The original (opentensor/subtensor_deprecated, registration.rs) left the hotkey
out, so that a seal could be stolen on its way; binding it is the later chain's rule. The hotkey
enters as its 32 public bytes.
"""

from hashlib import sha3_256

SEAL_SPACE = 2**256
NONCE_BYTES = 8


def calculate_seal(block_hash: bytes, hotkey: bytes, nonce: int) -> bytes:
    """Return the seal of one nonce for this hotkey after this block."""
    return sha3_256(_base(block_hash, hotkey) + nonce.to_bytes(NONCE_BYTES, "little")).digest()


def meets_difficulty(seal: bytes, difficulty: int) -> bool:
    """Say whether seal · difficulty < 2^256."""
    return int.from_bytes(seal, "big") * difficulty < SEAL_SPACE


def search_seal(
    block_hash: bytes, hotkey: bytes, difficulty: int, first_nonce: int, attempts: int
) -> tuple[int, bytes] | None:
    """Try so many nonces from the first on; return (nonce, seal), or None if none is good."""
    base = _base(block_hash, hotkey)
    limit = ((SEAL_SPACE - 1) // difficulty).to_bytes(32, "big")
    for nonce in range(first_nonce, first_nonce + attempts):
        seal = sha3_256(base + nonce.to_bytes(NONCE_BYTES, "little")).digest()
        if seal <= limit:
            return nonce, seal
    return None


def _base(block_hash: bytes, hotkey: bytes) -> bytes:
    return sha3_256(block_hash + hotkey).digest()
