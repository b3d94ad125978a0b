"""Where the exchange begins to follow Bitcoin: before anybody can have paid it."""

from typing import Final

from psycopg import Connection

from exchange_service.bitcoin import repository
from exchange_service.bitcoin.node import BitcoinNode, NodeUnavailable

ROOM_BLOCKS: Final = 100
"""Begun so far below the tip, that no ordinary reorganisation reaches below the beginning."""


def ensure_begun(conn: Connection, node: BitcoinNode) -> None:
    """Note where to begin, in the transaction that gives out an address; the first one counts."""
    if repository.find_last_block(conn) is None:
        begin_at(conn, node, max(node.height() - ROOM_BLOCKS, 0))


def begin_at(conn: Connection, node: BitcoinNode, height: int) -> None:
    """Have the chain followed from after a height on."""
    block_hash = node.block_hash(height)
    if block_hash is None:
        raise NodeUnavailable(f"the Bitcoin node has no block {height} yet")
    repository.save_block(conn, height, block_hash)
