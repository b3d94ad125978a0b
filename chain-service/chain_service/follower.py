"""
A follower: another's chain, checked and executed again block by block, in a database of its own.

It believes its own results only. Where a block does not lead to the roots that its header names,
or a signature is wrong, it notes why, stops, and stays stopped until its operator has looked.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import psycopg
from psycopg import Connection

from chain_service import ledger_repository, sync_repository
from chain_service.client import ChainClient
from chain_service.domain.blocks import AppliedBlock, check_loaded
from chain_service.domain.state import State
from chain_service.leading import STANDBY_SECONDS, Turn, take_turns
from chain_service.replay import STOPS, Replay, start_replay, without_collector
from chain_service.sealed import (
    NONE_TRUSTED,
    WORKERS,
    SealedBlock,
    TrustedBlock,
    check_chunks,
    cut_chunks,
)
from chain_service.sources import read_chain
from chain_service.sync_repository import Followed
from taonet.kit.db import WIRE
from taonet.kit.errors import Refusal
from taonet.kit.logging import get_logger

BATCH_EXTRINSICS, BATCH_BLOCKS = 5_000, 2_000
"""What one transaction holds, while catching up: it is written while the next is executed."""
IDLE_SHARE = 0.2
"""So much of a batch is enough for a writer that would rest: else one core does as both end."""
NEAR_BLOCKS = 200
"""So little behind, a follower needs no worker processes."""
SILENCE_SECONDS = 30.0
"""A follower whose heart did not beat for so long is taken to be dead, or frozen."""

log = get_logger(__name__)


class Halted(Refusal):
    """The follower stopped at a block that is wrong, and waits for its operator."""


class OtherAuthor(Refusal):
    """What is stored here is not what the followed chain consists of."""


def follow_chain(
    database_url: str,
    url: str,
    author: str,
    stop: threading.Event,
    trusted: TrustedBlock = NONE_TRUSTED,
) -> None:
    """
    Follow the chain at an address until told to stop; who is away is waited for.

    Raises Halted at a block that is wrong, and each time again until `resume`.
    """

    def lead(conn: Connection, turn: Turn) -> None:
        Follower(conn, author, turn).run(url, stop, trusted)

    take_turns(database_url, SILENCE_SECONDS, stop, lead)


def resume(conn: Connection) -> bool:
    """Let a stopped follower try the block again; say whether it had stopped."""
    return sync_repository.delete_halt(conn)


def wait_for_resume(database_url: str, stop: threading.Event) -> None:
    """Return once a stopped follower may go on; a Postgres that is away is waited for."""
    while not stop.wait(STANDBY_SECONDS):
        with suppress(psycopg.Error), psycopg.connect(database_url, **WIRE) as conn:
            if sync_repository.load_halt(conn) is None:
                return


class Follower:
    """One who writes what it replayed: a connection with the lock, and the state in memory."""

    def __init__(self, conn: Connection, author: str = "", turn: Turn | None = None) -> None:
        reason = sync_repository.load_halt(conn)
        if reason is not None:
            raise Halted(reason)
        self._conn = conn
        self._author = author
        self._turn = turn or Turn()
        self._replay = self._load()
        self._batch: list[Followed] = []
        self._changed = State()
        self._extrinsics = 0
        self._written: Future[None] = Future()
        """The batch that is being written."""
        self._written.set_result(None)

    def resume(self) -> None:
        """Take back that this follower stopped."""
        resume(self._conn)

    @property
    def height(self) -> int:
        """The newest block, −1 before the first; a batch that is not written counts."""
        return -1 if self._replay is None else self._replay.head.height

    def run(self, url: str, stop: threading.Event, trusted: TrustedBlock = NONE_TRUSTED) -> None:
        """Catch up in large transactions, then write each block as it is sealed."""
        with ChainClient(url) as client:
            distance = client.head().height - self.height
        if distance > NEAR_BLOCKS:
            log.info("catching up", height=self.height, blocks=distance, leader=url)
            chunks = cut_chunks(self._hear(read_chain(url, self.height + 1)))
            with without_collector():
                self.take(check_chunks(chunks, WORKERS, trusted), stop)
        log.info("following", height=self.height, leader=url)
        pieces = self._hear(read_chain(url, self.height + 1, follow=True))
        self.take(check_chunks(cut_chunks(pieces, size=1), 0, trusted), stop, at_once=True)

    def take(
        self,
        blocks: Iterable[SealedBlock],
        stop: threading.Event,
        at_once: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Execute and write blocks that are in order; `progress` is told each height executed."""
        with ThreadPoolExecutor(1, "writer") as self._writer:
            try:
                for sealed in blocks:
                    self._take(sealed)
                    if at_once or self._is_due():
                        self._begin_to_write()
                        if progress is not None:
                            progress(self.height)
                    if at_once:
                        self._written.result()
                    if stop.is_set():
                        break
            except STOPS as error:
                self._finish_writing()
                self._halt(error)
            self._finish_writing()

    def _hear(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Pass on what comes; each piece, be it no block, shows that this thread does not hang."""
        for piece in pieces:
            self._turn.show_life()
            yield piece

    def _is_due(self) -> bool:
        """Say whether the batch is full, or large enough for a writer that has nothing to do."""
        filled = max(len(self._batch) / BATCH_BLOCKS, self._extrinsics / BATCH_EXTRINSICS)
        return filled >= 1 or (filled >= IDLE_SHARE and self._written.done())

    def _take(self, sealed: SealedBlock) -> None:
        self._turn.show_life()
        started = time.perf_counter()
        block = self._apply(sealed)
        self._changed.gather(block.layer)
        microseconds = int((time.perf_counter() - started) * 1e6)
        self._batch.append(Followed(sealed, block, microseconds))
        self._extrinsics += len(sealed.orders)

    def _apply(self, sealed: SealedBlock) -> AppliedBlock:
        if self._replay is not None:
            return self._replay.apply(sealed)
        self._replay, block = start_replay(sealed, self._author or None)
        return block

    def _finish_writing(self) -> None:
        self._begin_to_write()
        self._written.result()

    def _begin_to_write(self) -> None:
        """Have the batch written by the one thread that writes, once that before it is."""
        self._written.result()
        if self._batch:
            self._written = self._writer.submit(self._write, self._batch, self._changed)
            self._batch, self._changed, self._extrinsics = [], State(), 0

    def _write(self, batch: list[Followed], changed: State) -> None:
        with self._conn.transaction():
            if batch[0].sealed.header.height == 0:
                assert self._replay is not None, "block 0 was executed"
                ledger_repository.insert_genesis(
                    self._conn, self._replay.genesis_hash, self._replay.parameters
                )
            sync_repository.save_blocks(self._conn, batch, changed)
        self._turn.note_block()

    def _halt(self, error: Exception) -> None:
        """Note for ever why this follower stopped."""
        with self._conn.transaction():
            sync_repository.save_halt(self._conn, self.height + 1, str(error))
        raise Halted(str(error)) from error

    def _load(self) -> Replay | None:
        """Return what is stored, counted and hashed anew; none where nothing is."""
        parameters = ledger_repository.load_genesis(self._conn)
        if parameters is None:
            return None
        if self._author not in ("", parameters.author):
            raise OtherAuthor(
                f"the chain stored here is written by {parameters.author}, not {self._author}"
            )
        head = ledger_repository.load_header(self._conn)
        state = ledger_repository.load_state(self._conn)
        check_loaded(state, head, parameters)
        return Replay(parameters, ledger_repository.load_genesis_hash(self._conn), head, state)
