"""Traders who remember what an exchange has acknowledged, until it is killed under them."""

import threading
import time
from dataclasses import dataclass, field

import httpx
from tests.conftest import wait_until

from exchange_service.client import ExchangeClient, ExchangeRefusal
from exchange_service.keys.schemas import KeyView

ORDERS_MAX = 180
"""Of one trader: fewer than an account may have open."""
WAIT_SECONDS = 30.0
SIDES = ("BUY", "SELL")
PLENTY_TAO = 100
CUT = ("ExchangeUnavailable", "-1007")
"""What a client hears when the exchange, or the Postgres under it, is killed."""
GONE = "-2011"


@dataclass
class Memory:
    """What was acknowledged, or what is there: by its numbers."""

    orders: set[int] = field(default_factory=set)
    cancelled: set[int] = field(default_factory=set)
    trades: set[int] = field(default_factory=set)
    transfers: set[tuple[int, str]] = field(default_factory=set)
    """Whose; of deposits how much, which is never the same twice, of withdrawals their names."""

    def without(self, other: "Memory") -> "Memory":
        return Memory(
            self.orders - other.orders,
            self.cancelled - other.cancelled,
            self.trades - other.trades,
            self.transfers - other.transfers,
        )

    def __len__(self) -> int:
        return len(self.orders) + len(self.cancelled) + len(self.trades) + len(self.transfers)


class Crowd:
    """Traders with both coins, who meet at few prices, cancel, deposit and withdraw in between."""

    def __init__(self, url: str, traders: int, name: str, receiver: str = "") -> None:
        """`url` is of an exchange with the door of tests (`live_app`).

        BTC is withdrawn to the receiver, if there is one.
        """
        self.url = url
        self.receiver = receiver
        self.memory = Memory()
        with ExchangeClient(url) as public:
            self.keys = [public.create_key(f"{name}-{n}", funded=True) for n in range(traders)]
        for key in self.keys:
            self._deposit(key, PLENTY_TAO)
            self._wait_for_coins(key)
        self._threads = [
            threading.Thread(target=self._trade, args=(key, number))
            for number, key in enumerate(self.keys)
        ]

    def trade(self, orders: int, seconds: float = WAIT_SECONDS) -> None:
        """Begin to trade, and return when so many orders are acknowledged or time is up."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.start()
        while len(self.memory.orders) < orders and time.monotonic() < deadline:
            time.sleep(0.002)

    def remember(self) -> Memory:
        """Return what was acknowledged, once everybody has noticed the end."""
        for thread in self._threads:
            thread.join()
        return self.memory

    def _deposit(self, key: KeyView, tao: int) -> None:
        wanted = {"account_id": key.account_id, "tao": tao}
        httpx.post(f"{self.url}/test/credit", params=wanted).raise_for_status()
        self.memory.transfers.add((key.account_id, f"{tao}.000000000"))

    def _wait_for_coins(self, key: KeyView) -> None:
        """Wait for the faucet, which may be a chain's."""
        with ExchangeClient(self.url, key.api_key, key.secret) as own:
            wait_until(lambda: float(own.balances()["BTC"][0]) > 0, WAIT_SECONDS)

    def _withdraw(self, own: ExchangeClient, key: KeyView, name: str) -> None:
        own.withdraw("0.001", self.receiver, name, "BTC")
        self.memory.transfers.add((key.account_id, name))

    def _trade(self, key: KeyView, number: int) -> None:
        try:
            with ExchangeClient(self.url, key.api_key, key.secret) as own:
                for count in range(1, ORDERS_MAX):
                    self._step(own, SIDES[(number + count) % 2], count)
                    if count % 30 == 0:
                        self._deposit(key, PLENTY_TAO + count)
                    if self.receiver and count % 20 == 0:
                        self._withdraw(own, key, f"w{count}")
        except httpx.HTTPError:
            pass
        except ExchangeRefusal as refusal:
            if refusal.code not in CUT:
                raise

    def _step(self, own: ExchangeClient, side: str, count: int) -> None:
        """Place an order, and take every third back, if it is still there."""
        order = own.limit_order(side, f"0.00{4000 + count % 7}", "0.01")
        self.memory.orders.add(order["orderId"])
        self.memory.trades.update(fill["tradeId"] for fill in order["fills"])
        if count % 3 or order["status"] != "NEW":
            return
        try:
            own.cancel(orderId=order["orderId"])
            self.memory.cancelled.add(order["orderId"])
        except ExchangeRefusal as refusal:
            if refusal.code != GONE:  # It may have traded just now.
                raise


def recall(own: ExchangeClient, memory: Memory) -> None:
    """Add to a memory what an exchange knows of an account."""
    orders = own.all_orders(limit=1_000)
    memory.orders |= {order["orderId"] for order in orders}
    memory.cancelled |= {order["orderId"] for order in orders if order["status"] == "CANCELED"}
    memory.trades |= {trade["id"] for trade in own.my_trades(limit=1_000)}
    account_id = own.account()["uid"]
    memory.transfers |= {(account_id, deposit["amount"]) for deposit in own.deposits()}
    memory.transfers |= {(account_id, one["withdrawOrderId"]) for one in own.withdrawals()}
