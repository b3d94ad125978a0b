"""The countercheck finds what a faulty engine would do to the books, before it is committed."""

from collections.abc import Callable
from typing import Any

import pytest

from exchange_service.domain.commands import (
    AmendOrder,
    Asset,
    CancelOrder,
    Kind,
    OpenAccount,
    PlaceOrder,
    RequestWithdrawal,
    SelfTrade,
    Side,
    TimeInForce,
)
from exchange_service.domain.countercheck import Countercheck, Unsound
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import Fact, OrderCancelled, Traded
from exchange_service.domain.ledger import Transfer, list_transfers
from exchange_service.domain.symbol import STEP_RAO

BUYER, SELLER, TAO_WALLET = 1_001, 1_002, 3
FUNDS_SAT, FUNDS_RAO = 10**9, 10**12


class Books:
    """An exchange, what happened in it since the last check, and who checks."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        for number in (BUYER, SELLER):
            self.exchange.apply(OpenAccount(0, number, f"t{number}", 1_000, 1_000, FUNDS_SAT))
        self.exchange.accounts[SELLER].free_rao += FUNDS_RAO
        self.exchange.accounts[TAO_WALLET].free_rao -= FUNDS_RAO
        self.facts: list[Fact] = []
        self.place(1, SELLER, Side.SELL, 3)
        self.place(2, BUYER, Side.BUY, 1, ticks=4_000)
        self.facts.clear()
        self.countercheck = Countercheck(self.exchange)

    def apply(self, command: Any) -> None:
        self.facts += self.exchange.apply(command)

    def place(self, number: int, account: int, side: Side, steps: int, ticks: int = 5_000) -> None:
        price_sat, quantity_rao = ticks * 100, steps * STEP_RAO
        terms = (account, side, Kind.LIMIT, price_sat, quantity_rao, 0, TimeInForce.GTC)
        self.apply(PlaceOrder(0, number, *terms, SelfTrade.EXPIRE_MAKER, f"o{number}"))

    def check(self, edit: Callable[[list[Transfer]], object] = lambda _: None) -> None:
        moved = [transfer for fact in self.facts for transfer in list_transfers(fact)]
        edit(moved)
        accounts = sorted(self.exchange.accounts)
        self.countercheck.check(self.facts, [(0, transfer) for transfer in moved], accounts)
        self.facts.clear()


@pytest.fixture
def books() -> Books:
    """Books in which an order trades, one is amended, one cancelled, and TAO is on its way out."""
    books = Books()
    books.place(3, BUYER, Side.BUY, 1)
    books.place(4, SELLER, Side.SELL, 5, ticks=6_000)
    books.apply(AmendOrder(0, SELLER, 4, 2 * STEP_RAO, "", "o4"))
    books.apply(CancelOrder(0, BUYER, 2, ""))
    books.apply(RequestWithdrawal(0, 1, SELLER, Asset.TAO, 10**9, 10**6, "5F", "w1"))
    return books


def test_sound_books_pass_in_one_commit_and_in_the_next(books: Books) -> None:
    books.check()
    books.apply(CancelOrder(0, SELLER, 4, ""))
    books.place(5, BUYER, Side.BUY, 2)
    books.check()

    assert list(books.exchange.orders) == []
    assert books.exchange.accounts[SELLER].locked_rao == 10**9


def lock_too_much(books: Books) -> None:
    """The order says that it has locked more than was moved."""
    books.exchange.orders[4].reserved += 1


def make_money(books: Books) -> None:
    books.exchange.accounts[BUYER].free_sat += 1


def lose_an_order(books: Books) -> None:
    del books.exchange.orders[4]


def tell_another_leftover(books: Books) -> None:
    next(fact for fact in books.facts if isinstance(fact, Traded)).maker_leaves_rao += 1


def tell_another_execution(books: Books) -> None:
    next(fact for fact in books.facts if isinstance(fact, OrderCancelled)).executed_rao += 1


@pytest.mark.parametrize(
    ("spoil", "invariant"),
    [
        (lock_too_much, "I3"),
        (make_money, "I5"),
        (lose_an_order, "I6"),
        (tell_another_leftover, "I6"),
        (tell_another_execution, "I6"),
    ],
)
def test_what_is_wrong_is_found(
    books: Books, spoil: Callable[[Books], None], invariant: str
) -> None:
    spoil(books)

    with pytest.raises(Unsound, match=invariant):
        books.check()


def test_a_transfer_that_is_missing_is_found(books: Books) -> None:
    with pytest.raises(Unsound, match="I5"):
        books.check(lambda moved: moved.pop())


def test_a_transfer_of_nothing_is_found(books: Books) -> None:
    with pytest.raises(Unsound, match="I1"):
        books.check(lambda moved: moved.append(moved[0]._replace(amount=0)))


def test_a_withdrawal_that_nobody_told_of_is_found(books: Books) -> None:
    books.check()
    told = books.exchange.apply(RequestWithdrawal(0, 2, SELLER, Asset.TAO, 7, 1, "5F", "w2"))

    with pytest.raises(Unsound, match="I3"):
        books.check(lambda moved: moved.extend(list_transfers(told[0])))


@pytest.mark.parametrize(("spoil", "invariant"), [(make_money, "I1"), (lock_too_much, "I3")])
def test_books_that_do_not_add_up_are_not_taken_over(
    books: Books, spoil: Callable[[Books], None], invariant: str
) -> None:
    spoil(books)

    with pytest.raises(Unsound, match=invariant):
        Countercheck(books.exchange)
