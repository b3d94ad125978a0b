"""The order book: levels in order of price, and in each level the orders in order of arrival."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any, Final

from mypy_extensions import mypyc_attr

from exchange_service.domain.accounts import Account
from exchange_service.domain.commands import PlaceOrder, Side
from exchange_service.domain.symbol import PPM, RAO_PER_TAO

BUY: Final = Side.BUY
SELL: Final = Side.SELL


@mypyc_attr(free_list_len=1)
class Order:
    """An accepted order while it lives."""

    __slots__ = (
        "account",
        "after",
        "amends",
        "before",
        "buying",
        "charged_sat",
        "executed_sat",
        "key",
        "leaves_rao",
        "level",
        "maker_ppm",
        "order_id",
        "pair",
        "prevented_rao",
        "price_sat",
        "quantity_rao",
        "reserved",
        "shown_rao",
        "taker_ppm",
        "terms",
        "unpaid_rao",
        "weighted_quote",
    )

    def __init__(self, terms: PlaceOrder, account: Account, quantity_rao: int) -> None:
        # Its place in the book, while it rests there. It comes first, for the orders before and
        # after are touched with this one: so a compiled one is touched in one line of the cache.
        self.before: Order | None = None
        self.after: Order | None = None
        self.level: Level | None = None
        self.terms = terms
        self.order_id = terms.order_id
        # Any: what is compiled keeps it as Python's own number, made once, which a dictionary
        # then finds by being the same and need not compare.
        self.key: Any = self.order_id
        self.account = account
        self.buying = terms.side is BUY
        self.price_sat = terms.price_sat
        self.quantity_rao = quantity_rao
        self.leaves_rao = quantity_rao
        """Neither executed nor prevented yet."""
        self.unpaid_rao = 0
        """Held back from its leaves while it is matched: its account cannot pay for it, or the book
        has not got what its quote would buy."""
        self.prevented_rao = 0
        self.executed_sat = 0
        self.maker_ppm = account.maker_ppm
        self.taker_ppm = account.taker_ppm
        self.weighted_quote = 0
        """Σ quote × rate of its trades so far; the fee owed is ⌈weighted quote / 10⁶⌉."""
        self.charged_sat = 0
        """The fee paid so far."""
        self.reserved = 0
        """What its account has locked for it: satoshi for a buy, rao for a sale."""
        self.amends = 0
        """How often it was amended."""
        self.pair: Pair | None = None
        self.shown_rao = 0
        """What of its leaves the book shows: all, or the current slice of an iceberg."""

    @property
    def executed_rao(self) -> int:
        return self.quantity_rao - self.prevented_rao - self.leaves_rao

    def calculate_reserve(self) -> int:
        """Return what must stay locked so that the rest of the order can always be paid.

        A sale: its leaves. A buy: leaves × limit price (for a stop at any price, × stop price), and
        the highest fee the whole order can still come to, less what is paid. The fee is rounded up
        once per order and not per trade, so trades in small pieces can never outgrow the reserve.
        """
        if not self.buying:
            return self.leaves_rao
        price_sat = self.price_sat or self.terms.stop_price_sat
        quote_sat = price_sat * self.leaves_rao // RAO_PER_TAO
        rate = self.maker_ppm if self.maker_ppm > self.taker_ppm else self.taker_ppm
        return quote_sat - (self.weighted_quote + quote_sat * rate) // -PPM - self.charged_sat


class Pair:
    """Two open orders, of which one cancels the other."""

    __slots__ = ("above", "below", "client_list_id", "list_id")

    def __init__(self, list_id: int, client_list_id: str, above: Order, below: Order) -> None:
        self.list_id = list_id
        self.client_list_id = client_list_id
        self.above = above
        self.below = below
        above.pair = below.pair = self

    def other(self, leg: Order) -> Order:
        return self.below if leg is self.above else self.above


@mypyc_attr(free_list_len=1)
class Level:
    """The orders at one price, first come first served: a list linked through the orders."""

    __slots__ = ("changed", "first", "last", "price_sat", "quantity_rao")

    def __init__(self, price_sat: int) -> None:
        self.price_sat = price_sat
        self.quantity_rao = 0
        """What its orders show, together."""
        self.changed = False
        """Whether its side has noted a change since the last publication."""
        self.first: Order | None = None
        self.last: Order | None = None

    def append(self, order: Order) -> None:
        last = order.before = self.last
        if last is None:
            self.first = order
        else:
            last.after = order
        self.last = order

    def unlink(self, order: Order) -> None:
        before, after = order.before, order.after
        if before is None:
            self.first = after
        else:
            before.after = after
        if after is None:
            self.last = before
        else:
            after.before = before
        order.before = order.after = None

    def __iter__(self) -> Iterator[Order]:
        order = self.first
        while order is not None:
            yield order
            order = order.after


class BookSide:
    """All bids or all asks. Keys are prices with a sign such that the best is always the last."""

    __slots__ = ("best", "changed", "keys", "levels", "sign")

    def __init__(self, side: Side) -> None:
        self.sign = 1 if side is BUY else -1
        self.keys: list[int] = []
        self.levels: dict[int, Level] = {}
        self.best: Level | None = None
        self.changed: dict[int, None] = {}
        """Prices of the levels that have changed since the last publication, in order."""

    def best_price(self) -> int | None:
        return self.best.price_sat if self.best else None

    def add(self, order: Order) -> None:
        """Put an order at the end of its level, showing what it may show."""
        price_sat = order.price_sat
        level = self.levels.get(price_sat)
        if level is None:
            level = self.levels[price_sat] = Level(price_sat)
            key = price_sat * self.sign
            insort(self.keys, key)
            if self.keys[-1] == key:
                self.best = level
        level.append(order)
        order.level = level
        order.shown_rao = slice_of(order)
        level.quantity_rao += order.shown_rao
        self.note_change(level)

    def remove(self, order: Order) -> None:
        level = order.level
        assert level is not None
        level.unlink(order)
        order.level = None
        level.quantity_rao -= order.shown_rao
        if level.first is None:
            self._drop(level)
        self.note_change(level)

    def note_change(self, level: Level) -> None:
        """Have the level told of at the next publication."""
        if not level.changed:
            level.changed = True
            self.changed[level.price_sat] = None

    def _drop(self, level: Level) -> None:
        key = level.price_sat * self.sign
        del self.levels[level.price_sat]
        if level is self.best:
            self.keys.pop()
            self.best = self.levels[self.keys[-1] * self.sign] if self.keys else None
        else:
            del self.keys[bisect_left(self.keys, key)]

    def show_next(self, order: Order) -> None:
        """Let an iceberg whose slice is gone show the next, behind all others at its price."""
        level = order.level
        assert level is not None
        level.unlink(order)
        level.append(order)
        order.shown_rao = slice_of(order)
        level.quantity_rao += order.shown_rao

    def in_order(self) -> Iterator[Order]:
        """Yield every order, best price first, then by arrival."""
        for level in self.in_levels():
            yield from level

    def in_levels(self) -> Iterator[Level]:
        """Yield every level, best price first."""
        for key in reversed(self.keys):
            yield self.levels[key * self.sign]

    def depth(self, limit: int) -> list[tuple[int, int]]:
        """Return (price, quantity) of the best levels."""
        prices = (key * self.sign for key in self.keys[: -limit - 1 : -1])
        return [(price_sat, self.levels[price_sat].quantity_rao) for price_sat in prices]


class OrderBook:
    """Both sides, and a count of the changes to them."""

    __slots__ = ("asks", "bids", "update_id")

    def __init__(self) -> None:
        self.bids = BookSide(BUY)
        self.asks = BookSide(SELL)
        self.update_id = 0
        """Grows by one with each change of a level; the same after a replay."""

    def side(self, side: Side) -> BookSide:
        return self.bids if side is BUY else self.asks

    def list_levels(self) -> list[tuple[Side, int, int]]:
        """Return (side, price, quantity) of every level."""
        return [
            (side, level.price_sat, level.quantity_rao)
            for side, half in ((BUY, self.bids), (SELL, self.asks))
            for level in half.in_levels()
        ]

    def take_changes(self) -> list[tuple[Side, int, int]]:
        """Return (side, price, quantity now) of the levels changed since last asked, and forget."""
        changes = []
        for side, half in ((BUY, self.bids), (SELL, self.asks)):
            for price_sat in half.changed:
                level = half.levels.get(price_sat)
                if level is None:
                    changes.append((side, price_sat, 0))
                    continue
                level.changed = False
                changes.append((side, price_sat, level.quantity_rao))
            half.changed.clear()
        return changes


def slice_of(order: Order) -> int:
    """Return how much of its leaves an order may show."""
    iceberg_rao = order.terms.iceberg_rao
    return min(iceberg_rao, order.leaves_rao) if iceberg_rao else order.leaves_rao
