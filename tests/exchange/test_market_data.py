"""Failure mode 13: a book pieced together from snapshot and diffs is the engine's, at every step.

A hundred thousand changes of levels, more by TAONET_TEST_UPDATES, with subscribers that leave and
come back in the middle of them, and a restart of the exchange.
"""

import os
import random
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any

from tests.conftest import wait_until

from exchange_service.domain.book import Order
from exchange_service.domain.commands import (
    CancelAllOrders,
    Command,
    Kind,
    PlaceOrder,
    SelfTrade,
    Side,
    TimeInForce,
)
from exchange_service.domain.exchange import Exchange
from exchange_service.feed import Commit
from exchange_service.formats import btc, tao

UPDATES = int(os.environ.get("TAONET_TEST_UPDATES", "100000"))
TRADERS, ORDERS_EACH = 12, 120
"""Fewer than an account may have open."""
STEP_RAO, TICK_SAT, MIDDLE_SAT = 10_000_000, 100, 500_000
FOLLOWERS = 3
WAIT_SECONDS = 60
FEED = "taobtc@depth@100ms"

Book = dict[str, dict[str, str]]
"""Bids and asks: quantities by price, as text."""


class Record:
    """The engine's book after each commit, by its update id."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.books: dict[int, Book] = {}

    def follow(self, commit: Commit) -> None:
        """Take the book down, in the engine's thread."""
        book = self._exchange.book
        self.books[commit.update_id] = {
            "bids": add_up(book.bids.in_order()),
            "asks": add_up(book.asks.in_order()),
        }


def add_up(orders: Iterable[Order]) -> dict[str, str]:
    """Return what the orders show at each price."""
    shown: dict[int, int] = {}
    for order in orders:
        shown[order.price_sat] = shown.get(order.price_sat, 0) + order.shown_rao
    return {btc(price_sat): tao(left_rao) for price_sat, left_rao in shown.items()}


class Follower:
    """A client that keeps a book of its own, by Binance's rule for snapshot and diffs."""

    def __init__(self) -> None:
        self.last_id = 0
        self.book: Book = {"bids": {}, "asks": {}}
        self.fresh = False
        """It has taken a snapshot, and applied nothing yet."""
        self.checked = 0

    def begin(self, box: Any) -> None:
        """Begin anew from a snapshot; the feed was subscribed to before."""
        snapshot = box.public.depth(limit=5_000)
        self.last_id, self.book = snapshot["lastUpdateId"], read_book(snapshot)
        self.fresh = True

    def read_until(self, update_id: int, socket: Any, record: Record) -> None:
        """Follow the feed to an update; after each event the book is what the engine's was."""
        while self.last_id < update_id:
            event = socket.receive_json()
            if event["u"] <= self.last_id:
                assert self.fresh, "nothing is told twice"
                continue
            # Of the first event after a snapshot, the snapshot may know the beginning.
            first_id = min(event["U"], self.last_id + 1) if self.fresh else self.last_id + 1
            assert event["U"] == first_id, "nothing is left out"
            self._apply(event)
            assert self.book == record.books[event["u"]]
            self.checked += 1

    def _apply(self, event: dict[str, Any]) -> None:
        self.last_id, self.fresh = event["u"], False
        for side, changes in (("bids", event["b"]), ("asks", event["a"])):
            for price, quantity in changes:
                self.book[side][price] = quantity
                if not float(quantity):
                    del self.book[side][price]


def read_book(snapshot: dict[str, Any]) -> Book:
    return {side: dict(snapshot[side]) for side in ("bids", "asks")}


class Flow:
    """Traders who take everything back, fill the book anew, and trade."""

    def __init__(self) -> None:
        self.rng = random.Random(13)
        self.names = count()
        self.accounts: list[int] = []

    def open(self, box: Any) -> None:
        for number in range(TRADERS):
            key = box.public.create_key(f"trader-{number}", funded=True)
            box.deposit(key.account_id, 1_000)
            self.accounts.append(key.account_id)

    def send(self, box: Any) -> list[Future[Any]]:
        """Send a round of orders, and do not wait for what becomes of them."""
        commands: list[Command] = [CancelAllOrders(0, account) for account in self.accounts]
        commands += [self._order(account) for _ in range(ORDERS_EACH) for account in self.accounts]
        return [box.engine.submit(command) for command in commands]

    def _order(self, account: int) -> PlaceOrder:
        side = self.rng.choice((Side.BUY, Side.SELL))
        away = self.rng.randint(-3, 60) * (-1 if side is Side.BUY else 1)
        price_sat = MIDDLE_SAT + away * TICK_SAT
        quantity_rao = self.rng.randint(1, 5) * STEP_RAO
        return PlaceOrder(
            0, 0, account, side, Kind.LIMIT, price_sat, quantity_rao, 0,
            TimeInForce.GTC, SelfTrade.EXPIRE_MAKER, f"o{next(self.names)}",
        )  # fmt: skip


class Crowd:
    """Followers and their sockets on one run of the exchange."""

    def __init__(self, box: Any, stack: ExitStack, record: Record) -> None:
        self.box, self.record = box, record
        self._stack = stack
        self.sockets: dict[Follower, Any] = {}

    def join(self, follower: Follower) -> None:
        socket = self._stack.enter_context(self.box.http.websocket_connect("/ws"))
        socket.send_json({"method": "SUBSCRIBE", "params": [FEED], "id": 1})
        assert socket.receive_json() == {"result": None, "id": 1}
        self.sockets[follower] = socket

    def rejoin(self, follower: Follower) -> None:
        """Leave in the middle of everything, come back, and begin from a snapshot."""
        self.sockets[follower].close()
        self.join(follower)
        follower.begin(self.box)

    def leave(self) -> None:
        """Close all sockets, and wait until the exchange has noticed."""
        for socket in self.sockets.values():
            socket.close()
        wait_until(lambda: not self.box.http.app.state.hub.everybody)

    def catch_up(self) -> int:
        """Have all followers read what there is; return the book's update id."""
        snapshot = self.box.public.depth(limit=5_000)
        update_id: int = snapshot["lastUpdateId"]
        for follower, socket in self.sockets.items():
            follower.read_until(update_id, socket, self.record)
            assert follower.last_id == update_id
            assert follower.book == read_book(snapshot)
        return update_id


@contextmanager
def crowd(box: Any, followers: list[Follower]) -> Iterator[Crowd]:
    record = Record(box.engine._exchange)
    box.engine._listeners.append(record.follow)
    with ExitStack() as stack:
        gathered = Crowd(box, stack, record)
        for follower in followers:
            gathered.join(follower)
        try:
            yield gathered
        finally:
            gathered.leave()


def test_13_snapshots_and_diffs_are_the_engines_book(start_box: Any) -> None:
    flow, followers = Flow(), [Follower() for _ in range(FOLLOWERS)]
    with start_box() as box, crowd(box, followers) as gathered:
        flow.open(box)
        trade_until(UPDATES // 2, flow, gathered)
    # Nobody takes a snapshot after the restart: the ids go on where they were.
    with start_box() as box, crowd(box, followers) as gathered:
        trade_until(UPDATES, flow, gathered)
    assert min(follower.checked for follower in followers) > UPDATES // 10_000


def trade_until(update_id: int, flow: Flow, gathered: Crowd) -> None:
    """Trade until the book has changed so often; in every round but the first one begins anew."""
    reached, turns = 0, count()
    while reached < update_id:
        answers = flow.send(gathered.box)
        leaver = list(gathered.sockets)[next(turns) % FOLLOWERS]
        if reached:
            gathered.rejoin(leaver)
        assert not wait(answers, WAIT_SECONDS).not_done
        reached = gathered.catch_up()
