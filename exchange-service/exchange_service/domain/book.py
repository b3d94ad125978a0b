"""The order book: levels in order of price, and in each level the orders in order of arrival."""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from exchange_service.domain.commands import PlaceOrder, Side
from exchange_service.domain.symbol import (
    calculate_fee_sat,
    calculate_quote_sat,
)

BUY, SELL = Side.BUY, Side.SELL


@dataclass(slots=True, eq=False)
class Order:
    """An accepted order while it lives."""

    terms: PlaceOrder
    quantity_rao: int
    leaves_rao: int
    """Not executed yet."""
    maker_ppm: int
    taker_ppm: int
    executed_sat: int = 0
    weighted_quote: int = 0
    """Σ quote × rate of its trades so far; the fee owed is ⌈weighted quote / 10⁶⌉."""
    charged_sat: int = 0
    """The fee paid so far."""
    reserved: int = 0
    """What its account has locked for it: satoshi for a buy, rao for a sale."""

    @property
    def executed_rao(self) -> int:
        return self.quantity_rao - self.leaves_rao

    def calculate_reserve(self) -> int:
        """Return what must stay locked so that the rest of the order can always be paid.

        A sale: its leaves. A buy: leaves × limit price, and the highest fee the whole order can
        still come to, less what is paid. The fee is rounded up once per order and not per trade,
        so trades in small pieces can never outgrow the reserve.
        """
        if self.terms.side is SELL:
            return self.leaves_rao
        quote_sat = calculate_quote_sat(self.terms.price_sat, self.leaves_rao)
        highest_ppm = max(self.maker_ppm, self.taker_ppm)
        fee_sat = calculate_fee_sat(self.weighted_quote + quote_sat * highest_ppm)
        return quote_sat + fee_sat - self.charged_sat


class Level:
    """The orders at one price, first come first served."""

    __slots__ = ("orders", "quantity_rao")

    def __init__(self) -> None:
        # An OrderedDict is a linked list: the head goes in O(1) however many went before it.
        self.orders: OrderedDict[int, Order] = OrderedDict()
        self.quantity_rao = 0


class BookSide:
    """All bids or all asks. Keys are prices with a sign such that the best is always the last."""

    __slots__ = ("keys", "levels", "sign")

    def __init__(self, side: Side) -> None:
        self.sign = 1 if side is BUY else -1
        self.keys: list[int] = []
        self.levels: dict[int, Level] = {}

    def best_price(self) -> int | None:
        return self.keys[-1] * self.sign if self.keys else None

    def add(self, order: Order) -> None:
        price_sat = order.terms.price_sat
        level = self.levels.get(price_sat)
        if level is None:
            level = self.levels[price_sat] = Level()
            insort(self.keys, price_sat * self.sign)
        level.orders[order.terms.order_id] = order
        level.quantity_rao += order.leaves_rao

    def remove(self, order: Order) -> None:
        price_sat = order.terms.price_sat
        level = self.levels[price_sat]
        del level.orders[order.terms.order_id]
        level.quantity_rao -= order.leaves_rao
        if not level.orders:
            del self.levels[price_sat]
            del self.keys[bisect_left(self.keys, price_sat * self.sign)]

    def in_order(self) -> Iterator[Order]:
        """Yield every order, best price first, then by arrival."""
        for key in reversed(self.keys):
            yield from self.levels[key * self.sign].orders.values()

    def depth(self, limit: int) -> list[tuple[int, int]]:
        """Return (price, quantity) of the best levels."""
        prices = (key * self.sign for key in self.keys[: -limit - 1 : -1])
        return [(price_sat, self.levels[price_sat].quantity_rao) for price_sat in prices]


class OrderBook:
    """Both sides, and a count of the changes to them."""

    __slots__ = ("asks", "bids", "changed", "update_id")

    def __init__(self) -> None:
        self.bids = BookSide(BUY)
        self.asks = BookSide(SELL)
        self.update_id = 0
        """Grows by one with each change of a level; the same after a replay."""
        self.changed: dict[tuple[Side, int], int] = {}
        """Levels changed since the last publication, with the id of the last change."""

    def side(self, side: Side) -> BookSide:
        return self.bids if side is BUY else self.asks

    def touch(self, side: Side, price_sat: int) -> None:
        """Note that the level has changed."""
        self.update_id += 1
        self.changed[side, price_sat] = self.update_id

    def take_changes(self) -> list[tuple[Side, int, int]]:
        """Return (side, price, quantity now) of the levels changed since last asked, and forget."""
        changes = []
        for side, price_sat in self.changed:
            level = self.side(side).levels.get(price_sat)
            changes.append((side, price_sat, level.quantity_rao if level else 0))
        self.changed.clear()
        return changes
