"""
Check a proof that a chain handed out: python verify_proof.py AUTHOR < proof.json

AUTHOR is the address that you trust to write this chain; its genesis parameters name it.
Needs the standard library, and bittensor-wallet for the signature. docs/chain.md shows a run.
"""

import hashlib
import json
import sys
from typing import Any

from bittensor_wallet import Keypair

SEALED = ("author", "extrinsics_root", "height", "parent_hash", "state_root", "time_ms")


def blake2b(data: bytes, person: bytes = b"") -> bytes:
    return hashlib.blake2b(data, digest_size=32, person=person).digest()


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def check(proof: dict[str, Any], author: str) -> None:
    """Stop at the first thing that is not as the author signed it."""
    header, digest = proof["header"], blake2b(canonical(proof["leaf"]), b"taonet leaf")
    for level in proof["path"]:
        children = [bytes.fromhex(sibling) for sibling in level["siblings"]]
        require(0 <= level["position"] <= len(children), "the path leaves the tree")
        children.insert(level["position"], digest)
        digest = blake2b(b"".join(children), b"taonet node")
    require(digest.hex() == header["state_root"], "the path does not lead to the state root")
    block_hash = blake2b(canonical({name: header[name] for name in SEALED}))
    require(block_hash.hex() == header["block_hash"], "the block hash is not the header's")
    require(header["author"] == author, f"written by {header['author']}, not by {author}")
    signed = Keypair(ss58_address=author).verify(block_hash, bytes.fromhex(header["signature"]))
    require(signed, "the signature is not the author's")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("name the author whom you trust: python verify_proof.py AUTHOR < proof.json")
    try:
        proof = json.load(sys.stdin)
        check(proof, sys.argv[1])
    except json.JSONDecodeError:
        sys.exit("REFUSED: this is no JSON; `taonet chain proof` writes a proof")
    except ValueError as error:
        sys.exit(f"REFUSED: {error}")
    except Exception as error:  # Whoever wrote it may have left out, or put in, anything.
        sys.exit(f"REFUSED: this is no proof ({type(error).__name__}: {error})")
    print(f"proven at block {proof['header']['height']}: {json.dumps(proof['leaf'])}")  # noqa: T201
