"""
Every SQL statement of a follower: many blocks in one transaction, by COPY; and why it stopped.

The state is written as the author writes it (`ledger_repository`), once for all blocks of a batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from psycopg import Connection

from chain_service import ledger_repository
from chain_service.domain.blocks import AppliedBlock
from chain_service.domain.state import State
from chain_service.rows import write_events, write_extrinsics
from chain_service.sealed import SealedBlock
from taonet.kit.rows import copy_rows

EXTRINSIC_TABLE: Final = "extrinsic (hash, height, index, status, error, fee_rao, body, signer_tag)"


@dataclass(frozen=True, slots=True)
class Followed:
    """A block as it came, and what came of it."""

    sealed: SealedBlock
    block: AppliedBlock
    microseconds: int


def save_blocks(conn: Connection, blocks: Sequence[Followed], layer: State) -> None:
    """Write blocks, and the layer of all they changed together."""
    # What a crash of the machine takes back is fetched again.
    conn.execute("SET LOCAL synchronous_commit = off")
    with conn.cursor().copy(f"COPY block ({ledger_repository.BLOCK_COLUMNS}) FROM STDIN") as copy:
        for block in map(_write_block, blocks):
            copy.write_row(block)
    extrinsics = (write_extrinsics(entry.block, entry.sealed.bodies) for entry in blocks)
    copy_rows(conn, EXTRINSIC_TABLE, chain.from_iterable(extrinsics))
    events = (write_events(entry.block) for entry in blocks)
    copy_rows(conn, ledger_repository.EVENT_TABLE, chain.from_iterable(events))
    ledger_repository.save_state(conn, layer)
    ledger_repository.beat(conn)
    ledger_repository.notify(conn, blocks[-1].sealed.header.height)


def load_halt(conn: Connection) -> str | None:
    """Return why the follower stopped, if it did."""
    row = conn.execute("SELECT reason FROM halt").fetchone()
    return None if row is None else str(row[0])


def save_halt(conn: Connection, height: int, reason: str) -> None:
    conn.execute("INSERT INTO halt (height, reason) VALUES (%s, %s)", (height, reason))


def delete_halt(conn: Connection) -> bool:
    """Let the follower go on; say whether it had stopped."""
    return conn.execute("DELETE FROM halt").rowcount > 0


def _write_block(followed: Followed) -> tuple[Any, ...]:
    header = followed.sealed.header
    return ledger_repository.write_block(followed.block, header, followed.microseconds)
