"""Stop orders: they wait outside the book until the last price reaches their stop price."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Final

from exchange_service.domain.book import BUY, Order
from exchange_service.domain.commands import Kind, PlaceOrder

LOSSES: Final = frozenset({Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT})
STOPS: Final = LOSSES | {Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT}


def waits_for_rise(terms: PlaceOrder) -> bool:
    """Tell whether a stop order waits for the price to rise; else it waits for it to fall.

    A buy stops its loss, and a sale takes its profit, at a higher price.
    """
    return (terms.kind in LOSSES) is (terms.side is BUY)


def is_reached(terms: PlaceOrder, last_price_sat: int) -> bool:
    """Tell whether the last price is at the stop price or past it; never before a first trade."""
    if not last_price_sat:
        return False
    if waits_for_rise(terms):
        return last_price_sat >= terms.stop_price_sat
    return last_price_sat <= terms.stop_price_sat


class Triggers:
    """The orders that wait, such that those next to be triggered are the last of each list."""

    def __init__(self) -> None:
        self._orders: dict[int, Order] = {}
        self._rising: list[tuple[int, int]] = []
        """(−stop price, −order id)."""
        self._falling: list[tuple[int, int]] = []
        """(stop price, −order id)."""

    def __bool__(self) -> bool:
        return bool(self._orders)

    def __iter__(self) -> Iterator[Order]:
        return iter(self._orders.values())

    def add(self, order: Order) -> None:
        self._orders[order.terms.order_id] = order
        keys, key = self._find(order)
        insort(keys, key)

    def remove(self, order: Order) -> None:
        del self._orders[order.terms.order_id]
        keys, key = self._find(order)
        del keys[bisect_left(keys, key)]

    def find_due(self, lowest_sat: int, highest_sat: int) -> Order | None:
        """Return the next order that a trade in this range triggers: by stop price, then arrival.

        Those that wait for a rise come before those that wait for a fall.
        """
        if self._rising and -self._rising[-1][0] <= highest_sat:
            return self._orders[-self._rising[-1][1]]
        if self._falling and self._falling[-1][0] >= lowest_sat:
            return self._orders[-self._falling[-1][1]]
        return None

    def _find(self, order: Order) -> tuple[list[tuple[int, int]], tuple[int, int]]:
        terms = order.terms
        if waits_for_rise(terms):
            return self._rising, (-terms.stop_price_sat, -terms.order_id)
        return self._falling, (terms.stop_price_sat, -terms.order_id)
