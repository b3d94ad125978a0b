"""The market as the public may see it: only what is committed, ready to be read by any thread.

The engine's own book is always one batch ahead of the record. This view is changed after the
commit, so that nobody is ever shown a trade that a crash could take back.
"""

import threading
from collections import deque
from typing import NamedTuple

from exchange_service.domain.book import BUY
from exchange_service.domain.facts import Traded
from exchange_service.feed import Commit
from exchange_service.repository import Balance

RECENT_TRADES = 1_000


class Depth(NamedTuple):
    """Price levels, best first: (price in satoshi, quantity in rao)."""

    update_id: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


class MarketView:
    """Depth, recent trades and balances, as of the last commit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self._update_id = 0
        self._depth: Depth | None = None
        self._trades: deque[Traded] = deque(maxlen=RECENT_TRADES)
        self._balances: dict[int, Balance] = {}

    def publish(self, commit: Commit) -> None:
        """Take over what a committed batch has changed."""
        with self._lock:
            self._trades.extend(commit.trades)
            self._balances.update((balance.account_id, balance) for balance in commit.balances)
            for side, price_sat, quantity_rao in commit.levels:
                levels = self._bids if side is BUY else self._asks
                if quantity_rao:
                    levels[price_sat] = quantity_rao
                else:
                    levels.pop(price_sat, None)
            self._update_id = commit.update_id
            self._depth = None

    def depth(self, limit: int) -> Depth:
        whole = self._whole_depth()
        return Depth(whole.update_id, whole.bids[:limit], whole.asks[:limit])

    def best(self) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        """Return the best bid and ask, each (price, quantity) or None."""
        whole = self._whole_depth()
        return (whole.bids[0] if whole.bids else None, whole.asks[0] if whole.asks else None)

    def trades(self, limit: int) -> list[Traded]:
        """Return the last trades, oldest first."""
        with self._lock:
            return list(self._trades)[-limit:]

    def last_trade(self) -> Traded | None:
        with self._lock:
            return self._trades[-1] if self._trades else None

    def balance(self, account_id: int) -> Balance:
        with self._lock:
            return self._balances.get(account_id, Balance(account_id, 0, 0, 0, 0))

    def _whole_depth(self) -> Depth:
        # Sorted when first asked for after a change, and not with every batch.
        with self._lock:
            if self._depth is None:
                self._depth = Depth(
                    self._update_id,
                    sorted(self._bids.items(), reverse=True),
                    sorted(self._asks.items()),
                )
            return self._depth
