"""
The author: seals a block each slot, and keeps the state in memory between them.

It writes only through the connection that holds the author's lock. Whatever goes wrong there, it
drops all it knows and begins again from what Postgres holds; so a block is either wholly true or
was never made, and nothing is remembered that was not committed.
"""

import gc
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

import orjson
from psycopg import Connection

from chain_service import ledger_repository, mempool_repository
from chain_service.domain.blocks import AppliedBlock, apply_block, check_loaded, make_genesis
from chain_service.domain.headers import Header
from chain_service.domain.mempool import Waiting, choose_orders
from chain_service.domain.parameters import ChainParameters
from chain_service.doorbell import Doorbell
from chain_service.events import BLOCKS_STREAM, BlockSealed
from chain_service.leading import Turn, take_turns
from chain_service.metrics import PHASE_SECONDS, PHASES
from chain_service.orders import restore_order
from chain_service.replay import without_collector
from taonet.kit import outbox
from taonet.kit.errors import Refusal
from taonet.kit.keys import Keypair
from taonet.kit.logging import get_logger
from taonet.kit.tracing import note_step, span

SILENCE_BLOCKS = 5
SILENCE_SECONDS_MIN = 10.0
"""An author whose heart did not beat for so long is taken to be dead, or frozen."""
READ_MAX = 5_000
"""Extrinsics read from the mempool at once."""

log = get_logger(__name__)


class OtherChain(Refusal):
    """The chain that is stored was started by other rules than the settings ask for."""


def write_blocks(
    database_url: str,
    bell: Doorbell,
    parameters: ChainParameters,
    keypair: Keypair,
    stop: threading.Event,
) -> None:
    """Lead whenever nobody else does, until told to stop; a Postgres that is away is waited for."""
    silence = max(SILENCE_SECONDS_MIN, SILENCE_BLOCKS * parameters.block_milliseconds / 1000)

    def lead(conn: Connection, turn: Turn) -> None:
        author = Author(conn, parameters, keypair)
        # The state lives as long as this process: the collector need never look through it again.
        gc.freeze()
        log.info("leading", height=author.head.height, preset=parameters.preset)
        while not stop.is_set():
            turn.show_life()
            remaining = author.seconds_to_slot()
            if remaining <= 0:
                author.seal_block()
                turn.note_block()
            elif not author.fetch_waiting():
                bell.wait(remaining, stop)

    take_turns(database_url, silence, stop, lead)


class Author:
    """One who leads: a connection with the lock, and the chain's state as of its newest block."""

    def __init__(self, conn: Connection, parameters: ChainParameters, keypair: Keypair) -> None:
        self._conn = conn
        self._keypair = keypair
        self.parameters = ensure_genesis(conn, parameters, keypair)
        self.head: Header = ledger_repository.load_header(conn)
        self.state = ledger_repository.load_state(conn)
        self._waiting: dict[int, Waiting] = {}
        self._last_sequence = 0
        self._next_slot = self.head.time_ms / 1000 + self._block_seconds
        check_loaded(self.state, self.head, self.parameters)
        with conn.transaction():
            mempool_repository.lock_mempool(conn)
            mempool_repository.recount_waiting(conn)

    @property
    def _block_seconds(self) -> float:
        return self.parameters.block_milliseconds / 1000

    def seconds_to_slot(self) -> float:
        # A clock that was set back must not stop the chain until it has caught up.
        self._next_slot = min(self._next_slot, time.time() + self._block_seconds)
        return self._next_slot - time.time()

    @without_collector()
    def fetch_waiting(self) -> bool:
        """Read what came into the mempool since the last look; say whether anything did."""
        rows = mempool_repository.load_waiting(self._conn, self._last_sequence, READ_MAX)
        for sequence, extrinsic_hash, length, body in rows:
            order = restore_order(extrinsic_hash, length, orjson.loads(body))
            self._waiting[sequence] = Waiting(sequence, order)
            self._last_sequence = sequence
        return bool(rows)

    @without_collector()
    def seal_block(self) -> AppliedBlock:
        """Make the next block, write it in one transaction, and only then believe in it."""
        with span("seal a block", height=self.head.height + 1):
            block = self._seal_block()
            for order in block.orders:
                note_step("extrinsic in a block", order.hash, height=self.head.height)
        log.debug("sealed", height=self.head.height, block=self.head.block_hash)
        return block

    def _seal_block(self) -> AppliedBlock:
        self.fetch_waiting()
        started = time.perf_counter()
        limit = self.parameters.max_extrinsics_per_block
        choice = choose_orders(self._waiting.values(), self.state, limit)
        chosen = time.perf_counter()
        block = apply_block(
            self.state, self.head, time.time_ns() // 1_000_000, choice.orders, self.parameters
        )
        block = sign_block(block, self._keypair)
        applied = time.perf_counter()
        microseconds = int((applied - started) * 1e6)
        sequences = [entry.sequence for entry in choice.taken]
        gone = {*sequences, *(entry.sequence for entry in choice.expired)}
        with self._conn.transaction():
            ledger_repository.save_block(self._conn, block, microseconds, sequences)
            self._expire(choice.expired)
            outbox.record(self._conn, BLOCKS_STREAM, tell_block(block))
        written = time.perf_counter()
        for phase, seconds in zip(
            PHASES, (chosen - started, applied - chosen, written - applied), strict=True
        ):
            PHASE_SECONDS.labels(phase).observe(seconds)
        self._accept(block, gone)
        return block

    def _accept(self, block: AppliedBlock, gone: Iterable[int]) -> None:
        self.state.absorb(block.layer)
        self.head = block.header
        for sequence in gone:
            del self._waiting[sequence]
        # After an outage time just goes on: blocks that were not made are not made up for.
        self._next_slot = max(self._next_slot + self._block_seconds, time.time())

    def _expire(self, expired: Any) -> None:
        first_nonces: dict[str, int] = {}
        for entry in expired:
            nonce = first_nonces.get(entry.order.signer, entry.order.nonce)
            first_nonces[entry.order.signer] = min(nonce, entry.order.nonce)
        if first_nonces:
            mempool_repository.lock_mempool(self._conn)
        for signer, nonce in first_nonces.items():
            mempool_repository.expire_waiting(self._conn, signer, nonce)


def sign_block(block: AppliedBlock, keypair: Keypair) -> AppliedBlock:
    """Return the block with the author's signature over its hash."""
    signature = bytes(keypair.sign(bytes.fromhex(block.header.block_hash))).hex()
    return replace(block, header=replace(block.header, signature=signature))


def ensure_genesis(
    conn: Connection, parameters: ChainParameters, keypair: Keypair
) -> ChainParameters:
    """Start a new chain by these parameters, or refuse to go on with one that has others."""
    stored = ledger_repository.load_genesis(conn)
    if stored is None:
        block = sign_block(make_genesis(parameters, time.time_ns() // 1_000_000), keypair)
        with conn.transaction():
            ledger_repository.insert_genesis(conn, block.header.block_hash, parameters)
            ledger_repository.save_block(conn, block, 0)
        return parameters
    for name, wanted in asdict(parameters).items():
        if (have := getattr(stored, name)) != wanted:
            raise OtherChain(
                f"this chain was started with {name} = {have!r}, the settings ask for "
                f"{wanted!r}; set it back, or start a new chain in an empty database"
            )
    return stored


def tell_block(block: AppliedBlock) -> BlockSealed:
    """Return what others are told of a block."""
    return BlockSealed(
        block.header.height,
        block.header.block_hash,
        block.header.time_ms,
        str(block.issuance_rao),
        len(block.orders),
        len(block.events),
    )
