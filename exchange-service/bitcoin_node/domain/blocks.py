"""Blocks in Bitcoin's own bytes: header, Merkle roots, coinbase, and regtest's easy work."""

import hashlib
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from embit.script import Script, Witness
from embit.transaction import Transaction, TransactionInput, TransactionOutput

from bitcoin_node.domain.transactions import NO_TXID, serialize_all

SAT_PER_BTC: Final = 100_000_000
VERSION: Final = 0x20000000
BITS: Final = 0x207FFFFF
TARGET: Final = 0x7FFFFF << 8 * (0x20 - 3)
"""Regtest's: every other hash will do."""
HALVING_BLOCKS: Final = 150
NO_HASH: Final = "00" * 32
WITNESS_MARK: Final = bytes.fromhex("6a24aa21a9ed")
"""OP_RETURN, 36 bytes, and the four that say that the witness root follows (BIP 141)."""
COINBASE_SEQUENCE: Final = 0xFFFFFFFF
NO_OUTPUT: Final = 0xFFFFFFFF


class Header(NamedTuple):
    """What a block's hash is over; hashes in hex as people see them, that is, reversed."""

    version: int
    previous_hash: str
    merkle_root: str
    time_s: int
    bits: int
    nonce: int


def calculate_subsidy_sat(height: int) -> int:
    """Return what a block mints: 50 BTC, halved every 150 blocks."""
    return 50 * SAT_PER_BTC >> height // HALVING_BLOCKS


def hash_twice(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def calculate_merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over hashes in internal byte order; an odd one is paired with itself."""
    level = list(leaves)
    while len(level) > 1:
        if len(level) % 2:
            level.append(level[-1])
        level = [hash_twice(a + b) for a, b in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def encode_header(header: Header) -> bytes:
    return struct.pack(
        "<i32s32sIII",
        header.version,
        bytes.fromhex(header.previous_hash)[::-1],
        bytes.fromhex(header.merkle_root)[::-1],
        header.time_s,
        header.bits,
        header.nonce,
    )


def decode_header(data: bytes) -> Header:
    version, previous, root, time_s, bits, nonce = struct.unpack("<i32s32sIII", data)
    return Header(version, previous[::-1].hex(), root[::-1].hex(), time_s, bits, nonce)


def hash_header(data: bytes) -> str:
    return hash_twice(data)[::-1].hex()


def mine_header(previous_hash: str, items: Sequence[Transaction], time_s: int) -> bytes:
    """Return a header over the transactions whose hash is below the target."""
    root = calculate_merkle_root([item.txid()[::-1] for item in items])[::-1].hex()
    nonce = 0
    while True:
        header = encode_header(Header(VERSION, previous_hash, root, time_s, BITS, nonce))
        if int(hash_header(header), 16) <= TARGET:
            return header
        nonce += 1


def make_coinbase(
    height: int, amount_sat: int, reward_script: bytes, others: Sequence[Transaction]
) -> Transaction:
    """Return the transaction that mints a block's subsidy and takes its fees."""
    # Its own witness hash counts as zero, for it commits to the root it would be part of.
    leaves = [bytes(32), *(hash_twice(other.serialize()) for other in others)]
    commitment = WITNESS_MARK + hash_twice(calculate_merkle_root(leaves) + bytes(32))
    return Transaction(
        2,
        [
            TransactionInput(
                bytes.fromhex(NO_TXID),
                NO_OUTPUT,
                Script(_encode_height(height)),
                COINBASE_SEQUENCE,
                Witness([bytes(32)]),
            )
        ],
        [
            TransactionOutput(amount_sat, Script(reward_script)),
            TransactionOutput(0, Script(commitment)),
        ],
        0,
    )


def encode_block(header: bytes, items: Sequence[Transaction]) -> bytes:
    return header + serialize_all(items)


def _encode_height(height: int) -> bytes:
    # BIP 34: the height as a script number, so that no two coinbases are the same; then a filler,
    # for a coinbase script has at least two bytes.
    number = height.to_bytes(height.bit_length() // 8 + 1, "little") if height else b""
    return bytes([len(number)]) + number + b"\x00"
