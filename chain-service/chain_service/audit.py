"""Checking a whole chain in memory: every signature, every block executed again, every root."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chain_service.replay import STOPS, Replay, start_replay
from chain_service.sealed import SealedBlock


@dataclass
class Audit:
    """What a check found, so far."""

    from_height: int = 0
    height: int = -1
    """The last block that is right."""
    block_hash: str = ""
    state_root: str = ""
    author: str = ""
    blocks: int = 0
    extrinsics: int = 0
    seconds: float = 0.0
    problem: str | None = None
    """What is wrong with the block after it; none where nothing is."""


def audit_chain(
    blocks: Iterable[SealedBlock],
    replay: Replay | None = None,
    author: str | None = None,
    progress: Callable[[Audit], None] = lambda audit: None,
) -> Audit:
    """
    Execute blocks from genesis on, or from where a replay stands, until one is wrong.

    No block at all proves nothing, and is a problem too, unless a replay stands somewhere already.
    """
    started = time.perf_counter()
    audit = Audit() if replay is None else Audit(from_height=replay.head.height)
    try:
        for sealed in blocks:
            if replay is None:
                replay, _ = start_replay(sealed, author)
            else:
                replay.apply(sealed)
            audit.blocks += 1
            audit.extrinsics += len(sealed.orders)
            audit.height = replay.head.height
            audit.seconds = time.perf_counter() - started
            progress(audit)
        if replay is None:
            audit.problem = "there is no block at all: a chain begins with block 0, its genesis"
    except STOPS as error:
        audit.problem = str(error)
    if replay is not None:
        head = replay.head
        audit.height, audit.author = head.height, head.author
        audit.block_hash, audit.state_root = head.block_hash, head.state_root
    return audit
