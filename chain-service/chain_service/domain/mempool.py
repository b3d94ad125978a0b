"""Which of the waiting extrinsics the next block takes, and in which order."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chain_service.domain.blocks import Order
from chain_service.domain.state import State


@dataclass(frozen=True)
class Waiting:
    """An order, and its place in the row of arrivals."""

    sequence: int
    order: Order


@dataclass(frozen=True)
class Choice:
    orders: Sequence[Order]
    """For the next block, each includable after those before it."""
    expired: Sequence[Waiting]
    """Never includable again; what the same signer sent after it goes with it."""


def choose_orders(waiting: Iterable[Waiting], state: State, limit: int) -> Choice:
    """
    Return the next block's orders: highest tip first, then arrival, each account's by nonce.

    An order whose last valid block has passed takes its signer's later ones with it: they build on
    a nonce that will not be used.
    """
    height = state.counters.height + 1
    queues: dict[str, list[Waiting]] = defaultdict(list)
    for entry in waiting:
        queues[entry.order.signer].append(entry)
    heads: list[tuple[int, int, str]] = []
    orders: list[Order] = []
    expired: list[Waiting] = []
    for signer, queue in queues.items():
        queue.sort(key=lambda entry: entry.order.nonce, reverse=True)
        _offer(heads, signer, queue, state.accounts[signer].nonce, height, expired)
    while heads and len(orders) < limit:
        signer = heapq.heappop(heads)[2]
        order = queues[signer].pop().order
        orders.append(order)
        _offer(heads, signer, queues[signer], order.nonce + 1, height, expired)
    return Choice(orders, sorted(expired, key=lambda entry: entry.sequence))


def _offer(
    heads: list[tuple[int, int, str]],
    signer: str,
    queue: list[Waiting],
    nonce: int,
    height: int,
    expired: list[Waiting],
) -> None:
    """Put a signer's next order up for choice, if it has one whose turn it is."""
    if not queue:
        return
    entry = queue[-1]
    if entry.order.last_valid_block < height or entry.order.nonce < nonce:
        expired.extend(queue)
        queue.clear()
    elif entry.order.nonce == nonce:
        heapq.heappush(heads, (-entry.order.tip_rao, entry.sequence, signer))
