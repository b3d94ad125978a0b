"""Who asks too much: request weight by address, new orders by account, and bans.

Every process counts in memory and tells Redis twice a second what it counted, so that several of
them, and the next one after a restart, keep one budget. Without Redis each counts for itself:
nothing but fairness between processes is lost.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import redis

from exchange_service.errors import Throttled
from taonet.kit.logging import get_logger

SHARE_SECONDS: Final = 0.5
MINUTE: Final = 60
STUBBORN_MAX: Final = 20
"""Requests over the limit in one window that are refused; whoever goes on is banned."""
BAN_SECONDS_FIRST: Final = 120
BAN_SECONDS_MAX: Final = 3 * 24 * 3_600
KEY_PREFIX: Final = "exchange.limits"

log = get_logger(__name__)

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """At most `limit` of a kind in `seconds`. Each is one of a kind: only itself is equal to it."""

    kind: str
    unit: str
    """SECOND, MINUTE or DAY, as exchangeInfo names it."""
    units: int
    seconds: int
    limit: int

    @property
    def suffix(self) -> str:
        """The interval as headers name it, such as 10S."""
        return f"{self.units}{self.unit[0]}"

    def describe(self) -> dict[str, Any]:
        """Return the rule as exchangeInfo shows it."""
        return {
            "rateLimitType": self.kind,
            "interval": self.unit,
            "intervalNum": self.units,
            "limit": self.limit,
        }


class Budget(NamedTuple):
    """The limits of every address and of every account."""

    weight: Rule
    raw: Rule
    orders: tuple[Rule, ...]

    def describe(self) -> list[dict[str, Any]]:
        return [rule.describe() for rule in (self.weight, *self.orders, self.raw)]


def make_budget(weight: int, raw: int, orders_10s: int, orders_day: int) -> Budget:
    """Return Binance's four limits with these numbers."""
    return Budget(
        Rule("REQUEST_WEIGHT", "MINUTE", 1, MINUTE, weight),
        Rule("RAW_REQUESTS", "MINUTE", 5, 5 * MINUTE, raw),
        (
            Rule("ORDERS", "SECOND", 10, 10, orders_10s),
            Rule("ORDERS", "DAY", 1, 24 * 3_600, orders_day),
        ),
    )


@dataclass(slots=True)
class Window:
    """One counter in its present interval."""

    number: int
    """Which interval since 1970."""
    used: int = 0
    """By all processes, as far as is known here."""
    unshared: int = 0
    """What Redis has not been told yet."""
    refused: int = 0

    def add(self, amount: int) -> None:
        amount = max(amount, -self.used)
        self.used += amount
        self.unshared += amount


@dataclass(slots=True)
class Ban:
    until: float
    seconds: int


class Limits:
    """Counts, refuses and bans; `charge` is what every request goes through."""

    def __init__(self, budget: Budget, clock: Callable[[], float] = time.time) -> None:
        self.budget = budget
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[tuple[Rule, str], Window] = {}
        self._bans: dict[str, Ban] = {}
        weight = "x-mbx-used-weight"
        self._weight_headers = [
            name.encode() for name in (weight, f"{weight}-{budget.weight.suffix.lower()}")
        ]
        self._order_headers = [
            f"x-mbx-order-count-{rule.suffix.lower()}".encode() for rule in budget.orders
        ]

    def charge(self, address: str, weight: int) -> Headers:
        """Count a request and return the headers that say how much is used; or refuse it."""
        spent = b"%d" % self.spend(address, weight)
        return [(name, spent) for name in self._weight_headers]

    def spend(self, address: str, weight: int) -> int:
        """Count a request and return how much weight is used; or refuse it."""
        now = self._clock()
        with self._lock:
            self._check_ban(address, now)
            self._spend(self.budget.raw, address, 1, now)
            return self._spend(self.budget.weight, address, weight, now)

    def refund(self, address: str, weight: int, headers: Headers) -> None:
        """Take back what a request weighed; its headers began with those of `charge`."""
        spent = b"%d" % self.give_back(address, weight)
        names = self._weight_headers
        headers[: len(names)] = [(name, spent) for name in names]

    def give_back(self, address: str, weight: int) -> int:
        """Take back what a request weighed and return how much weight is used."""
        now = self._clock()
        with self._lock:
            window = self._window(self.budget.weight, address, now)
            window.add(-weight)
            return window.used

    def count(self, account_id: int, orders: int) -> Headers:
        """Count new orders and return the headers that say how many are unfilled; or refuse."""
        unfilled = self.add_orders(account_id, orders)
        return [
            (name, b"%d" % count) for name, count in zip(self._order_headers, unfilled, strict=True)
        ]

    def add_orders(self, account_id: int, orders: int) -> list[int]:
        """Count new orders and return how many are unfilled, by rule; or refuse."""
        now, account = self._clock(), str(account_id)
        with self._lock:
            return [self._order(rule, account, orders, now) for rule in self.budget.orders]

    def forgive(self, account_id: int, orders: int) -> None:
        """Take back the counts of orders that traded: only unfilled ones are held against one."""
        now = self._clock()
        with self._lock:
            for rule in self.budget.orders:
                self._window(rule, str(account_id), now).add(-orders)

    def count_orders(self, account_id: int) -> list[dict[str, Any]]:
        """Return the account's unfilled orders by interval, as `rateLimit/order` shows them."""
        return [
            {**rule.describe(), "count": self.used(rule, str(account_id))}
            for rule in self.budget.orders
        ]

    def used(self, rule: Rule, who: str) -> int:
        with self._lock:
            return self._window(rule, who, self._clock()).used

    def _check_ban(self, address: str, now: float) -> None:
        ban = self._bans.get(address)
        if ban is not None and now < ban.until:
            wait = int(ban.until - now) + 1
            raise Throttled(
                -1003,
                f"Way too much request weight used; IP banned until {int(ban.until * 1_000)}. "
                "Please use WebSocket Streams for live updates to avoid bans.",
                418,
                wait,
            )

    def _spend(self, rule: Rule, address: str, amount: int, now: float) -> int:
        window = self._window(rule, address, now)
        if window.used + amount > rule.limit:
            window.refused += 1
            if window.refused > STUBBORN_MAX:
                self._ban(address, now)
                self._check_ban(address, now)
            what = "request weight" if rule is self.budget.weight else "raw requests"
            raise Throttled(
                -1003,
                f"Too much request weight used; current limit is {rule.limit} {what} per "
                f"{rule.units} {rule.unit}. Please use WebSocket Streams for live updates to "
                "avoid polling the API.",
                429,
                wait_seconds(rule, now),
            )
        window.add(amount)
        return window.used

    def _order(self, rule: Rule, account: str, orders: int, now: float) -> int:
        window = self._window(rule, account, now)
        if window.used + orders > rule.limit:
            raise Throttled(
                -1015,
                f"Too many new orders; current limit is {rule.limit} orders per "
                f"{rule.units} {rule.unit}.",
                429,
                wait_seconds(rule, now),
            )
        window.add(orders)
        return window.used

    def _ban(self, address: str, now: float) -> None:
        """Ban an address: two minutes, then twice as long each time, up to three days."""
        before = self._bans.get(address)
        seconds = min(before.seconds * 2, BAN_SECONDS_MAX) if before else BAN_SECONDS_FIRST
        self._bans[address] = Ban(now + seconds, seconds)
        log.warning("an address is banned", seconds=seconds)

    def _window(self, rule: Rule, who: str, now: float) -> Window:
        number = int(now) // rule.seconds
        window = self._windows.get((rule, who))
        if window is None or window.number != number:
            window = self._windows[rule, who] = Window(number)
        return window

    # Sharing

    def take_unshared(self) -> list[tuple[Rule, str, int, int]]:
        """Return (rule, who, window, amount) not yet told, and drop windows that have passed."""
        now = self._clock()
        with self._lock:
            for key in [
                key
                for key, window in self._windows.items()
                if window.number != int(now) // key[0].seconds
            ]:
                del self._windows[key]
            told = [
                (rule, who, window.number, window.unshared)
                for (rule, who), window in self._windows.items()
                if window.unshared
            ]
            for rule, who, _, _ in told:
                self._windows[rule, who].unshared = 0
        return told

    def learn(self, rule: Rule, who: str, number: int, total: int) -> None:
        """Take over what all processes together have used."""
        with self._lock:
            window = self._windows.get((rule, who))
            if window is not None and window.number == number:
                window.used = max(0, total) + window.unshared


def wait_seconds(rule: Rule, now: float) -> int:
    """Return in how many seconds the present interval ends."""
    return rule.seconds - int(now) % rule.seconds


def share(
    limits: Limits, client: "redis.Redis", counts: Iterable[tuple[Rule, str, int, int]]
) -> None:
    """Tell Redis what was counted here, and learn what was counted everywhere."""
    counts = list(counts)
    if not counts:
        return
    pipeline = client.pipeline(transaction=False)
    for rule, who, number, amount in counts:
        key = f"{KEY_PREFIX}:{rule.kind}:{rule.suffix}:{who}:{number}"
        pipeline.incrby(key, amount)
        pipeline.expire(key, 2 * rule.seconds)
    totals = pipeline.execute()[::2]
    for (rule, who, number, _), total in zip(counts, totals, strict=True):
        limits.learn(rule, who, number, total)


def keep_sharing(limits: Limits, redis_url: str, stop: threading.Event) -> None:
    """Share twice a second until told to stop; while Redis is away, count alone."""
    with redis.Redis.from_url(redis_url, socket_timeout=1, socket_connect_timeout=1) as client:
        away = False
        while not stop.wait(SHARE_SECONDS):
            try:
                share(limits, client, limits.take_unshared())
                away = False
            except redis.RedisError as error:
                if not away:
                    log.warning("limits are counted without Redis", error=str(error))
                away = True
