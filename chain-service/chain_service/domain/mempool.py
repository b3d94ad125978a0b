"""Which of the waiting extrinsics the next block takes, and in which order."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chain_service.domain.blocks import Order
from chain_service.domain.calls import count_registrations
from chain_service.domain.parameters import UINT64_MAX
from chain_service.domain.state import NOBODY, State

WEIGHTS_CALLS = frozenset({"set_weights", "reveal_weights"})
PRIORITY_UNIT = 1_000_000
BLOCK_BYTES_MAX = 64_000_000
"""Canonical bytes of a block's extrinsics: 150,000 transfers. Followers refuse far longer lines."""
REGISTRATIONS_TRIED_MAX = 64
"""One with all 4,096 slots taken looks at each, for some milliseconds."""

Head = tuple[int, int, int, str]
"""A signer's next order, as the heap sorts it: −tip, −priority, place in the row, signer."""


class Waiting(NamedTuple):
    """An order, and its place in the row of arrivals."""

    sequence: int
    order: Order


@dataclass
class Room:
    """What still fits the block; what does not waits for the next."""

    orders: int
    length: int = BLOCK_BYTES_MAX
    registrations: int = REGISTRATIONS_TRIED_MAX
    """Tried, for those that fail are work too, and pay nothing."""

    def take(self, order: Order) -> bool:
        """Make room for an order, if there is some."""
        tried = count_registrations(order.call, order.arguments)
        if self.length < order.length or (tried and self.registrations <= 0):
            return False
        self.orders -= 1
        self.length -= order.length
        self.registrations -= tried
        return True


@dataclass(frozen=True)
class Choice:
    taken: Sequence[Waiting]
    """For the next block, each includable after those before it."""
    expired: Sequence[Waiting]
    """Never includable again; what the same signer sent after it goes with it."""

    @property
    def orders(self) -> list[Order]:
        return [entry.order for entry in self.taken]


def choose_orders(waiting: Iterable[Waiting], state: State, limit: int) -> Choice:
    """
    Return the next block's orders: highest tip first, then priority, then arrival.

    Each account's own follow their nonces.

    An order whose last valid block has passed takes its signer's later ones with it: they build on
    a nonce that will not be used.
    """
    queues: dict[str, list[Waiting]] = defaultdict(list)
    for entry in waiting:
        queues[entry.order.signer].append(entry)
    heads: list[Head] = []
    taken: list[Waiting] = []
    expired: list[Waiting] = []
    for signer, queue in queues.items():
        queue.sort(key=lambda entry: entry.order.nonce, reverse=True)
        _offer(heads, signer, queue, state, state.accounts[signer].nonce, expired)
    room = Room(limit)
    while heads and room.orders:
        signer = heapq.heappop(heads)[-1]
        if not room.take(queues[signer][-1].order):
            continue
        entry = queues[signer].pop()
        taken.append(entry)
        _offer(heads, signer, queues[signer], state, entry.order.nonce + 1, expired)
    return Choice(taken, sorted(expired, key=lambda entry: entry.sequence))


def find_priority(order: Order, state: State) -> int:
    """
    Return the highest priority, or that of weights: 10^6 · the neuron's, by their length.

    As in the original: opentensor/subtensor_deprecated, pallets/subtensor/src/lib.rs.
    """
    uid = state.uids[order.signer]
    if order.call not in WEIGHTS_CALLS or uid == NOBODY:
        return UINT64_MAX
    return state.neuron(uid).priority * PRIORITY_UNIT // order.length


def _offer(
    heads: list[Head],
    signer: str,
    queue: list[Waiting],
    state: State,
    nonce: int,
    expired: list[Waiting],
) -> None:
    """Put a signer's next order up for choice, if it has one whose turn it is."""
    if not queue:
        return
    sequence, order = queue[-1].sequence, queue[-1].order
    if order.last_valid_block <= state.counters.height or order.nonce < nonce:
        expired.extend(queue)
        queue.clear()
    elif order.nonce == nonce:
        heapq.heappush(heads, (-order.tip_rao, -find_priority(order, state), sequence, signer))
