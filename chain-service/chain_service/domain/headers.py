"""A header: what names a block and all it holds, and what its author signs."""

from dataclasses import dataclass, fields
from typing import Any

from chain_service.domain.encoding import ZERO_HASH, encode_plainly, hash_bytes


@dataclass(frozen=True, slots=True)
class Header:
    """The block's hash covers every field but the signature, which is over that hash."""

    height: int
    parent_hash: str
    time_ms: int
    """Milliseconds since 1970, above the parent's."""
    extrinsics_root: str
    """Hash over the extrinsics' hashes and outcomes, and the events; of genesis, the parameters."""
    state_root: str
    """Stands for every account, every neuron and the counters after this block (roots.py)."""
    author: str
    """The address that the genesis parameters name."""
    signature: str = ""
    """The author's sr25519 over the block hash, in hex; the domain leaves it empty."""

    @property
    def block_hash(self) -> str:
        return hash_bytes(encode_plainly(self.sealed_fields())).hex()

    def sealed_fields(self) -> dict[str, Any]:
        """Return what the block hash covers."""
        return {name: getattr(self, name) for name in SEALED_FIELDS}


SEALED_FIELDS = tuple(field.name for field in fields(Header) if field.name != "signature")
NO_PARENT = ZERO_HASH.hex()
"""What genesis has as its parent's hash."""
