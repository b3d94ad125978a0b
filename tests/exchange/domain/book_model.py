"""The exchange as a list that is searched from end to end: too simple to be wrong, and slow."""

import copy
from typing import Any

STEP = 10_000_000
Order = dict[str, Any]


def ceil_ppm(weighted: int) -> int:
    return (weighted + 999_999) // 1_000_000


class Model:
    """Orders in one list; balances in total; what is locked follows from the orders."""

    def __init__(self, rates: dict[int, tuple[int, int]], sat: int, rao: int) -> None:
        self.rates = rates
        self.total = {owner: [sat, rao] for owner in rates}
        self.orders: list[Order] = []
        self.trades: list[tuple[int, int, int, int]] = []
        self.clock = 0
        self.last = 0

    def find(self, number: int) -> Order | None:
        return next((order for order in self.orders if order["id"] == number), None)

    def reserve(self, order: Order) -> int:
        if order["side"] == "SELL":
            return int(order["leaves"])
        quote = (order["price"] or order["stop"]) * order["leaves"] // 10**9
        fee = ceil_ppm(order["weighted"] + quote * max(self.rates[order["owner"]]))
        return int(quote + fee - order["paid"])

    def locked(self, owner: int) -> tuple[int, int]:
        """A pair locks what its dearer leg needs."""
        locks = {"BUY": 0, "SELL": 0}
        for order in self.orders:
            other = self.find(order["other"])
            if order["owner"] != owner or (other and other["id"] < order["id"]):
                continue
            both = [self.reserve(leg) for leg in (order, other) if leg]
            locks[order["side"]] += max(both)
        return locks["BUY"], locks["SELL"]

    def free(self, owner: int) -> tuple[int, int]:
        locked = self.locked(owner)
        return self.total[owner][0] - locked[0], self.total[owner][1] - locked[1]

    def makers(self, side: str) -> list[Order]:
        """The orders of a side that are in the book, best first."""
        sign = -1 if side == "BUY" else 1
        resting = [o for o in self.orders if o["side"] == side and not o["waiting"]]
        return sorted(resting, key=lambda order: (sign * order["price"], order["rank"]))

    def drop(self, order: Order) -> None:
        """Remove an order, and the other leg of its pair."""
        self.orders = [o for o in self.orders if o["id"] not in (order["id"], order["other"])]

    def run(self, order: Order, limit: int, budget: int | None = None) -> None:
        """Trade an order against the list."""
        while order["leaves"]:
            opposite = self.makers("SELL" if order["side"] == "BUY" else "BUY")
            maker = opposite[0] if opposite else None
            sign = 1 if order["side"] == "BUY" else -1
            if maker is None or sign * maker["price"] > sign * limit:
                return
            own = maker["owner"] == order["owner"] and order["mode"] != "NONE"
            order["seen"], order["budget"] = maker["price"], budget
            quantity = min(order["leaves"], maker["leaves"] if own else maker["shown"])
            if budget is not None and not (own and order["mode"].startswith("EXPIRE")):
                quantity = min(quantity, budget // (maker["price"] * STEP // 10**9) * STEP)
                order["budget"] = budget = budget - maker["price"] * quantity // 10**9
                if quantity == 0:
                    return
            if own:
                self.prevent(order, maker, quantity)
            else:
                self.trade(order, maker, quantity)

    def prevent(self, taker: Order, maker: Order, quantity: int) -> None:
        ends_taker = taker["mode"] in ("EXPIRE_TAKER", "EXPIRE_BOTH")
        if not taker["mode"].startswith("EXPIRE"):
            for party in (taker, maker):
                party["leaves"] -= quantity
            taker["prevented"] += quantity
        else:
            taker["prevented"] += taker["leaves"] if ends_taker else 0
            taker["leaves"] = 0 if ends_taker else taker["leaves"]
            maker["leaves"] = 0 if taker["mode"] != "EXPIRE_TAKER" else maker["leaves"]
        if taker["mode"] != "EXPIRE_TAKER":
            self.shrink(maker)

    def shrink(self, maker: Order) -> None:
        """A maker has become smaller: its other leg goes, and it too if nothing is left."""
        self.orders = [o for o in self.orders if o["id"] != maker["other"]]
        maker["other"] = 0
        if maker["leaves"] == 0:
            self.drop(maker)
        maker["shown"] = min(maker["shown"], maker["leaves"])

    def trade(self, taker: Order, maker: Order, quantity: int) -> None:
        quote = maker["price"] * quantity // 10**9
        self.trades.append((taker["id"], maker["id"], maker["price"], quantity))
        self.last = maker["price"]
        for party, rate in ((taker, 1), (maker, 0)):
            party["leaves"] -= quantity
            party["weighted"] += quote * self.rates[party["owner"]][rate]
            fee = ceil_ppm(party["weighted"]) - party["paid"]
            party["paid"] += fee
            sign = 1 if party["side"] == "BUY" else -1
            self.total[party["owner"]][0] -= sign * quote + fee
            self.total[party["owner"]][1] += sign * quantity
        maker["shown"] -= quantity
        self.shrink(maker)
        if maker["leaves"] and not maker["shown"]:
            self.rest(maker)

    def rest(self, order: Order) -> None:
        """Go to the end of the queue, and show a slice."""
        self.clock += 1
        order["rank"] = self.clock
        order["shown"] = min(order["iceberg"] or order["leaves"], order["leaves"])

    def look(self, order: Order, limit: int, budget: int | None = None) -> tuple[int, int, int]:
        """Run a copy of the world; return what was traded, what it cost, what was prevented."""
        world, taker = copy.deepcopy(self), dict(order)
        world.trades = []
        world.run(taker, limit, budget)
        cost = sum(price * quantity // 10**9 for _, _, price, quantity in world.trades)
        prevented = 0 if order["mode"].startswith("EXPIRE") else taker["prevented"]
        return sum(trade[3] for trade in world.trades), cost, prevented

    def enter(self, order: Order, limit: int) -> None:
        """Let an order in whose cost is covered: match it, and let it rest if it may."""
        if order["tif"] == "FOK" and self.look(order, limit)[0] < order["leaves"]:
            return
        self.run(order, limit)
        if order["leaves"] and order["price"] and order["tif"] == "GTC":
            self.orders.append(order)
            order["waiting"] = False
            self.rest(order)

    def settle(self, since: int, reference: int) -> None:
        """Trigger what the trades since a point in time have reached, one after another."""
        while prices := [trade[2] for trade in self.trades[since:]]:
            waiting = [order for order in self.orders if order["waiting"]]
            rising = sorted((o["stop"], o["id"]) for o in waiting if o["rising"])
            falling = sorted((-o["stop"], o["id"]) for o in waiting if not o["rising"])
            if rising and rising[0][0] <= max(prices):
                number = rising[0][1]
            elif falling and -falling[0][0] >= min(prices):
                number = falling[0][1]
            else:
                return
            order = self.find(number)
            assert order is not None
            self.drop(order)
            order["other"] = 0
            self.trigger(order, reference)

    def collar(self, side: str, reference: int) -> int:
        return (reference * 2 or 10**10) if side == "BUY" else (reference + 1) // 2

    def trigger(self, order: Order, reference: int) -> None:
        if order["price"]:
            self.enter(order, order["price"])
            return
        limit, rate = self.collar(order["side"], reference), self.rates[order["owner"]][1]
        if order["side"] == "BUY":
            sat = self.free(order["owner"])[0]
            traded, cost, prevented = self.look(order, limit)
            if cost + ceil_ppm(cost * rate) > sat:
                budget = sat * 10**6 // (10**6 + rate)
                traded, cost, prevented = self.look(order, limit, budget)
                order["leaves"] = traded + prevented
        self.enter(order, limit)
