"""Random lives of the exchange, beside a model that is too simple to be wrong."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exchange_service.domain.audit import find_faults
from exchange_service.domain.commands import (
    AmendOrder,
    CancelAllOrders,
    CancelOrder,
    Kind,
    OpenAccount,
    PlaceOrder,
    SelfTrade,
    Side,
    TimeInForce,
)
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import Rejected, Traded
from exchange_service.domain.fingerprint import calculate_fingerprint
from exchange_service.domain.journal import decode_command, encode_command
from exchange_service.domain.ledger import Pocket, list_transfers

START_SAT = 40_000_000
START_RAO = 60_000_000_000
ACCOUNTS = {1001: (1000, 2000), 1002: (0, 0), 1003: (3000, 500)}
PRICES = st.integers(min_value=4990, max_value=5010).map(lambda ticks: ticks * 100)
QUANTITIES = st.integers(min_value=1, max_value=900).map(lambda steps: steps * 10_000_000)


def ceil_ppm(weighted: int) -> int:
    return (weighted + 999_999) // 1_000_000


class Model:
    """A list of orders, searched from end to end; balances without locks; nothing clever."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.total = {number: [START_SAT, START_RAO] for number in ACCOUNTS}
        self.trades: list[tuple[int, int, int, int]] = []

    def reserve(self, order: dict[str, Any]) -> tuple[int, int]:
        if order["side"] == "SELL":
            return 0, order["leaves"]
        quote = order["price"] * order["leaves"] // 10**9
        highest = max(ACCOUNTS[order["owner"]])
        return quote + ceil_ppm(order["weighted"] + quote * highest) - order["paid"], 0

    def free(self, owner: int) -> tuple[int, int]:
        locks = [self.reserve(order) for order in self.orders if order["owner"] == owner]
        sat, rao = self.total[owner]
        return sat - sum(lock[0] for lock in locks), rao - sum(lock[1] for lock in locks)

    def makers(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        buying = order["side"] == "BUY"
        sign = 1 if buying else -1
        others = [other for other in self.orders if other["side"] != order["side"]]
        others = [
            other
            for other in others
            if order["price"] is None or sign * other["price"] <= sign * order["price"]
        ]
        return sorted(others, key=lambda other: (sign * other["price"], other["id"]))

    def run(self, order: dict[str, Any], mode: str) -> None:
        """Trade an order against the list; leave its rest in `order["leaves"]`."""
        for maker in self.makers(order):
            if order["leaves"] == 0:
                break
            if maker["owner"] == order["owner"] and mode != "NONE":
                if mode != "EXPIRE_TAKER":
                    self.orders.remove(maker)
                if mode != "EXPIRE_MAKER":
                    order["ended"] = True
                    break
                continue
            quantity = min(order["leaves"], maker["leaves"])
            quote = maker["price"] * quantity // 10**9
            self.trades.append((order["id"], maker["id"], maker["price"], quantity))
            for party, rate in ((order, 1), (maker, 0)):
                party["leaves"] -= quantity
                party["weighted"] += quote * ACCOUNTS[party["owner"]][rate]
                fee = ceil_ppm(party["weighted"]) - party["paid"]
                party["paid"] += fee
                sign = 1 if party["side"] == "BUY" else -1
                self.total[party["owner"]][0] -= sign * quote + fee
                self.total[party["owner"]][1] += sign * quantity
            if maker["leaves"] == 0:
                self.orders.remove(maker)

    def fillable(self, order: dict[str, Any], mode: str) -> tuple[int, int]:
        """What would trade at once: run a copy of the world, and look."""
        copy = Model()
        copy.orders = [dict(other) for other in self.orders]
        copy.run(dict(order), mode)
        quantity = sum(trade[3] for trade in copy.trades)
        return quantity, sum(trade[2] * trade[3] // 10**9 for trade in copy.trades)


class ExchangeMachine(RuleBasedStateMachine):
    @initialize()
    def open_accounts(self) -> None:
        self.exchange = Exchange()
        self.replica = Exchange()
        self.model = Model()
        self.ledger: dict[tuple[int, str, Pocket], int] = {}
        self.trades: list[tuple[int, int, int, int]] = []
        self.next_id = 0
        for number, (maker_ppm, taker_ppm) in ACCOUNTS.items():
            self.apply(OpenAccount(0, number, f"trader {number}", maker_ppm, taker_ppm, START_SAT))
        # The three bring their TAO outside the ledger: the audit's zero moves by that much.
        for exchange in (self.exchange, self.replica):
            for number in ACCOUNTS:
                exchange.accounts[number].free_rao += START_RAO
            exchange.accounts[3].free_rao -= START_RAO * len(ACCOUNTS)

    def apply(self, command: Any) -> list[Any]:
        facts = self.exchange.apply(command)
        assert facts == self.replica.apply(decode_command(encode_command(command)))
        for fact in facts:
            if isinstance(fact, Traded):
                self.trades.append(
                    (fact.taker_order_id, fact.maker_order_id, fact.price_sat, fact.quantity_rao)
                )
            for transfer in list_transfers(fact):
                assert transfer.amount > 0
                source = (transfer.source_account, transfer.asset, transfer.source_pocket)
                target = (transfer.target_account, transfer.asset, transfer.target_pocket)
                self.ledger[source] = self.ledger.get(source, 0) - transfer.amount
                self.ledger[target] = self.ledger.get(target, 0) + transfer.amount
        return facts

    @rule(
        owner=st.sampled_from(list(ACCOUNTS)),
        side=st.sampled_from(Side),
        kind=st.sampled_from(Kind),
        tif=st.sampled_from(TimeInForce),
        mode=st.sampled_from(SelfTrade),
        price=PRICES,
        quantity=QUANTITIES,
    )
    def place(
        self,
        owner: int,
        side: Side,
        kind: Kind,
        tif: TimeInForce,
        mode: SelfTrade,
        price: int,
        quantity: int,
    ) -> None:
        tif = tif if kind is Kind.LIMIT else TimeInForce.GTC
        price = 0 if kind is Kind.MARKET else price
        self.next_id += 1
        facts = self.apply(
            PlaceOrder(
                0,
                self.next_id,
                owner,
                side,
                kind,
                price,
                quantity,
                0,
                tif,
                mode,
                f"order-{self.next_id}",
            )
        )
        assert self.expect(owner, side, kind, tif, mode, price, quantity) == (
            not isinstance(facts[0], Rejected)
        )

    def expect(
        self,
        owner: int,
        side: Side,
        kind: Kind,
        tif: TimeInForce,
        mode: SelfTrade,
        price: int,
        quantity: int,
    ) -> bool:
        """Do the same to the model; tell whether it takes the order."""
        model = self.model
        order: dict[str, Any] = {
            "id": self.next_id,
            "owner": owner,
            "side": str(side),
            "price": price or None,
            "leaves": quantity,
            "weighted": 0,
            "paid": 0,
            "ended": False,
        }
        if kind is Kind.LIMIT_MAKER and model.makers(order):
            return False
        free_sat, free_rao = model.free(owner)
        fillable, cost = model.fillable(order, mode)
        if side is Side.SELL and free_rao < quantity:
            return False
        if side is Side.BUY:
            if kind is not Kind.MARKET:
                needed = model.reserve(order)[0]
            else:
                needed = cost + ceil_ppm(cost * ACCOUNTS[owner][1])
            if free_sat < needed:
                return False
        if tif is TimeInForce.FOK and fillable < quantity:
            return True
        model.run(order, mode)
        if order["leaves"] and tif is TimeInForce.GTC and price and not order["ended"]:
            model.orders.append(order)
        return True

    @rule(
        owner=st.sampled_from(list(ACCOUNTS)),
        side=st.sampled_from(Side),
        quote=st.integers(1000, 9 * 10**6),
    )
    def market_by_quote(self, owner: int, side: Side, quote: int) -> None:
        before = self.exchange.accounts[owner].balances()
        self.next_id += 1
        facts = self.apply(
            PlaceOrder(
                0,
                self.next_id,
                owner,
                side,
                Kind.MARKET,
                0,
                0,
                quote,
                TimeInForce.GTC,
                SelfTrade.NONE,
                f"order-{self.next_id}",
            )
        )
        if isinstance(facts[0], Rejected):
            return
        traded = [fact for fact in facts if isinstance(fact, Traded)]
        spent = sum(fact.quote_sat + fact.taker_fee_sat for fact in traded)
        if side is Side.BUY:
            assert spent <= quote
            assert all(fact.maker_account_id != owner for fact in traded) is False or (
                sum(self.exchange.accounts[owner].balances()[:2]) == sum(before[:2]) - spent
            )
        else:
            assert sum(fact.quote_sat for fact in traded) <= quote
        order = {
            "id": self.next_id,
            "owner": owner,
            "side": str(side),
            "price": None,
            "leaves": sum(fact.quantity_rao for fact in traded),
            "weighted": 0,
            "paid": 0,
        }
        self.model.run(order, "NONE")

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        order_id = data.draw(st.integers(1, self.next_id + 1))
        owner = data.draw(st.sampled_from(list(ACCOUNTS)))
        facts = self.apply(CancelOrder(0, owner, order_id, ""))
        known = [o for o in self.model.orders if o["id"] == order_id and o["owner"] == owner]
        assert isinstance(facts[0], Rejected) is not bool(known)
        for order in known:
            self.model.orders.remove(order)

    @rule(owner=st.sampled_from(list(ACCOUNTS)))
    def cancel_all(self, owner: int) -> None:
        self.apply(CancelAllOrders(0, owner))
        self.model.orders = [o for o in self.model.orders if o["owner"] != owner]
        account = self.exchange.accounts[owner]
        assert (account.locked_sat, account.locked_rao) == (0, 0)

    @rule(data=st.data(), quantity=QUANTITIES)
    def amend(self, data: st.DataObject, quantity: int) -> None:
        if not self.model.orders:
            return
        order = data.draw(st.sampled_from(self.model.orders))
        total = self.exchange.orders[order["id"]].quantity_rao
        facts = self.apply(AmendOrder(0, order["owner"], order["id"], quantity))
        executed = total - order["leaves"]
        assert isinstance(facts[0], Rejected) is not (executed < quantity < total)
        if executed < quantity < total:
            order["leaves"] = quantity - executed

    @invariant()
    def books_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        assert self.model.trades == self.trades
        for side, book in (("BUY", self.exchange.book.bids), ("SELL", self.exchange.book.asks)):
            opposite = {"side": "SELL" if side == "BUY" else "BUY", "price": None}
            assert [(o["id"], o["leaves"]) for o in self.model.makers(opposite)] == [
                (o.terms.order_id, o.leaves_rao) for o in book.in_order()
            ]

    @invariant()
    def money_agrees(self) -> None:
        if not hasattr(self, "model"):
            return
        for number in ACCOUNTS:
            account = self.exchange.accounts[number]
            sat, rao = self.model.total[number]
            assert (sat, rao) == (
                account.free_sat + account.locked_sat,
                account.free_rao + account.locked_rao,
            )
            assert self.model.free(number) == (account.free_sat, account.free_rao)
            assert account.balances() == (
                self.ledger.get((number, "BTC", Pocket.FREE), 0),
                self.ledger.get((number, "BTC", Pocket.LOCKED), 0),
                self.ledger.get((number, "TAO", Pocket.FREE), 0) + START_RAO,
                self.ledger.get((number, "TAO", Pocket.LOCKED), 0),
            )

    @invariant()
    def nothing_is_wrong(self) -> None:
        if not hasattr(self, "model"):
            return
        assert find_faults(self.exchange) == []
        assert calculate_fingerprint(self.exchange) == calculate_fingerprint(self.replica)


TestExchangeMachine = ExchangeMachine.TestCase
TestExchangeMachine.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, print_blob=True
)
