"""A market that lives while clients look at it: two accounts trade with each other."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.exchange.live import open_trader

from exchange_service.client import ExchangeClient

PRICES = ("0.005000", "0.005010", "0.004990", "0.005020")
PAUSE_SECONDS = 0.25


@contextmanager
def living_market(url: str, name: str = "market") -> Iterator[None]:
    """Trade a little, all the time; whoever asks has coins of both kinds to show for it."""
    maker, _, _ = open_trader(url, f"{name}-maker")
    taker, _, _ = open_trader(url, f"{name}-taker")
    stop = threading.Event()
    thread = threading.Thread(target=trade, args=(maker, taker, stop), daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(10)


def trade(maker: ExchangeClient, taker: ExchangeClient, stop: threading.Event) -> None:
    """Let the price move over a few steps, with a book on both sides."""
    for step in range(5):
        maker.limit_order("BUY", f"0.00{480 + step}", "0.1")
    turn = 0
    while not stop.wait(PAUSE_SECONDS):
        turn += 1
        price = PRICES[turn % len(PRICES)]
        seller, buyer = (maker, taker) if turn % 2 else (taker, maker)
        if float(seller.balances()["TAO"][0]) < 0.1:
            seller, buyer = buyer, seller
        seller.limit_order("SELL", price, "0.1")
        buyer.limit_order("BUY", price, "0.05")
        seller.cancel_all()
