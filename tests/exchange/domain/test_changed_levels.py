"""A level that changes is told of once each time that somebody asks, also when it comes back."""

from exchange_service.domain.accounts import Account
from exchange_service.domain.book import Order, OrderBook
from exchange_service.domain.commands import Kind, PlaceOrder, SelfTrade, Side, TimeInForce

GTC = TimeInForce.GTC


def make_order(number: int, quantity_rao: int) -> Order:
    terms = PlaceOrder(
        *(0, number, 1_001, Side.BUY, Kind.LIMIT, 500, quantity_rao, 0, GTC, SelfTrade.NONE),
        str(number),
    )
    return Order(terms, Account(1_001, "trader", 0, 0), quantity_rao)


def test_each_change_is_told_once() -> None:
    book, first, second = OrderBook(), make_order(1, 10), make_order(2, 20)
    book.bids.add(first)
    book.bids.add(second)
    assert book.take_changes() == [(Side.BUY, 500, 30)]
    assert book.take_changes() == []
    book.bids.remove(first)
    assert book.take_changes() == [(Side.BUY, 500, 20)]
    book.bids.remove(second)
    assert book.take_changes() == [(Side.BUY, 500, 0)]
    book.bids.add(first)
    book.bids.remove(first)
    book.bids.add(second)
    assert book.take_changes() == [(Side.BUY, 500, 20)]
