"""
Making a block again, to see whether its author made it by the rules.

Whoever replays trusts nothing but the genesis and the rules: each field of a header must follow
from the block before and from the extrinsics. Signatures are checked before (`sealed.py`).
"""

from collections.abc import Sequence

from chain_service.domain.blocks import AppliedBlock, Order, apply_block, make_genesis
from chain_service.domain.headers import Header
from chain_service.domain.parameters import ChainParameters
from chain_service.domain.state import State


class Mismatch(Exception):
    """A block that its author can't have made by the rules; whoever follows must stop here."""

    def __init__(self, height: int, what: str, expected: object, found: object) -> None:
        super().__init__(f"block {height}: the {what} should be {expected}, the block says {found}")
        self.height = height


def replay_genesis(header: Header, parameters: ChainParameters) -> AppliedBlock:
    """Return block 0 of these parameters, if the header is the one it must have."""
    block = make_genesis(parameters, header.time_ms)
    compare_headers(block.header, header)
    return block


def replay_block(
    state: State,
    parent: Header,
    header: Header,
    orders: Sequence[Order],
    parameters: ChainParameters,
) -> AppliedBlock:
    """Return the block that follows the parent with these orders, if it has this header."""
    height = parent.height + 1
    expect(height, "height", height, header.height)
    expect(height, "parent's hash", parent.block_hash, header.parent_hash)
    expect(height, "author", parameters.author, header.author)
    if len(orders) > parameters.max_extrinsics_per_block:
        raise Mismatch(
            height, "extrinsics' number", parameters.max_extrinsics_per_block, len(orders)
        )
    check_order(state, orders, height)
    block = apply_block(state, parent, header.time_ms, orders, parameters)
    compare_headers(block.header, header)
    return block


def check_order(state: State, orders: Sequence[Order], height: int) -> None:
    """Refuse an expired order, and one whose nonce is not its signer's next."""
    nonces: dict[str, int] = {}
    for order in orders:
        signer = order.signer
        nonce = nonces[signer] if signer in nonces else state.accounts[signer].nonce
        if order.nonce != nonce:
            raise Mismatch(height, f"next nonce of {signer}", nonce, order.nonce)
        if order.last_valid_block < height:
            raise Mismatch(height, "last valid block", f"{height} or more", order.last_valid_block)
        nonces[signer] = nonce + 1


def compare_headers(ours: Header, theirs: Header) -> None:
    """Stop where the author's header differs; the state root tells most, so it comes first."""
    expect(ours.height, "state root", ours.state_root, theirs.state_root)
    expect(ours.height, "extrinsics' root", ours.extrinsics_root, theirs.extrinsics_root)
    expect(ours.height, "time", ours.time_ms, theirs.time_ms)
    expect(ours.height, "block hash", ours.block_hash, theirs.block_hash)


def expect(height: int, what: str, expected: object, found: object) -> None:
    if expected != found:
        raise Mismatch(height, what, expected, found)
