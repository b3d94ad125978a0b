"""What the engine tells the rest of the process after each commit."""

from collections.abc import Callable
from typing import NamedTuple

from exchange_service.domain.commands import Side
from exchange_service.domain.facts import Fact, Traded
from exchange_service.repository import Balance


class Commit(NamedTuple):
    """All that one durable batch has changed."""

    time_ms: int
    sequence: int
    """The journal's last entry in this batch."""
    facts: list[Fact]
    """In the order they happened; rejections left out."""
    trades: list[Traded]
    update_id: int
    """The book's: it grows by one with each change of a level, and is the same after a replay."""
    levels: list[tuple[Side, int, int]]
    """Side, price, quantity now; 0 removes the level."""
    balances: list[Balance]


Listener = Callable[[Commit], None]
"""Called in the engine's thread, before the callers are answered: it must only take notes."""
