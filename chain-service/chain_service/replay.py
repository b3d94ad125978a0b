"""
A chain made again from its sealed blocks: what `taonet chain verify` and a follower have in common.

Nothing is believed but a genesis, and the address that it names as author.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from chain_service.domain.blocks import AppliedBlock, InvariantBroken
from chain_service.domain.errors import InvalidParameters
from chain_service.domain.headers import Header
from chain_service.domain.parameters import ChainParameters, read_parameters
from chain_service.domain.replay import Mismatch, expect, replay_block, replay_genesis
from chain_service.domain.state import State
from chain_service.sealed import BadBlock, SealedBlock

STOPS = (BadBlock, Mismatch, InvariantBroken)
"""What whoever replays must not go on after."""


@contextmanager
def without_collector() -> Iterator[None]:
    """Spare long work on the state the collector: it makes no cycles, and has much to search."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Replay:
    """A state and its head, in memory; each block that fits moves both on."""

    def __init__(
        self, parameters: ChainParameters, genesis_hash: str, head: Header, state: State
    ) -> None:
        self.parameters, self.genesis_hash = parameters, genesis_hash
        self.head, self.state = head, state

    def apply(self, sealed: SealedBlock) -> AppliedBlock:
        """Execute the next block, compare its roots, and believe it; or raise one of STOPS."""
        for genesis_hash in sealed.genesis_hashes:
            expect(sealed.header.height, "extrinsics' chain", self.genesis_hash, genesis_hash)
        block = replay_block(self.state, self.head, sealed.header, sealed.orders, self.parameters)
        self.state.absorb(block.layer)
        self.head = sealed.header
        return block


def start_replay(sealed: SealedBlock, author: str | None = None) -> tuple[Replay, AppliedBlock]:
    """Return a replay that stands at block 0, and that block; `author` is whom we were told of."""
    expect(0, "height", 0, sealed.header.height)
    if sealed.parameters is None:
        raise BadBlock("block 0 comes without the parameters")
    try:
        parameters = read_parameters(sealed.parameters)
    except (InvalidParameters, LookupError, TypeError, AttributeError) as error:
        raise BadBlock(f"the parameters of block 0 can't be read: {error}") from None
    expect(0, "author", author or parameters.author, parameters.author)
    expect(0, "author", parameters.author, sealed.header.author)
    block = replay_genesis(sealed.header, parameters)
    state = State()
    state.absorb(block.layer)
    return Replay(parameters, sealed.header.block_hash, sealed.header, state), block
