"""A market that lives while clients look at it: a few accounts trade with each other."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.exchange.live import open_trader

from exchange_service.client import ExchangeClient, ExchangeRefusal

PRICES = ("0.005000", "0.005010", "0.004990", "0.005020", "0.004980")
PAUSE_SECONDS = 0.2


@contextmanager
def living_market(url: str, *guests: ExchangeClient) -> Iterator[None]:
    """Trade a little, all the time; accounts that are guests take part, too."""
    own = [open_trader(url, f"market-{number}", tao=100)[0] for number in (1, 2)]
    stop = threading.Event()
    thread = threading.Thread(target=trade, args=([*own, *guests], stop), daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(10)


def trade(traders: list[ExchangeClient], stop: threading.Event) -> None:
    """Let each trade with the next one at a price that moves, with a book on both sides."""
    for step in range(5):
        traders[0].limit_order("BUY", f"0.00{480 + step}", "0.1")
        traders[1].limit_order("SELL", f"0.00{515 + step}", "0.1")
    turn = 0
    while not stop.wait(PAUSE_SECONDS):
        turn += 1
        price = PRICES[turn % len(PRICES)]
        seller, buyer = traders[turn % len(traders)], traders[(turn + 1) % len(traders)]
        if turn // len(traders) % 2:
            seller, buyer = buyer, seller
        # A client that trades as well may be in the way; the next turn is another chance.
        with suppress(ExchangeRefusal):
            sale = seller.limit_order("SELL", price, "0.1")
            buyer.limit_order("BUY", price, "0.05")
            seller.cancel(orderId=sale["orderId"])
