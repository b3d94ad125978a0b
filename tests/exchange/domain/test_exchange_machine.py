"""Random lives of the exchange, beside a model that is too simple to be wrong."""

import copy
import os
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exchange_service.domain.admission import GTC, STOP_LIMITS
from exchange_service.domain.audit import find_faults
from exchange_service.domain.commands import (
    AmendOrder,
    CancelAllOrders,
    CancelOrder,
    CancelOrderPair,
    Kind,
    OpenAccount,
    PassDeadlines,
    PlaceOrder,
    PlaceOrderPair,
    ReplaceMode,
    ReplaceOrder,
    Restriction,
    SelfTrade,
    SetDeadline,
    Side,
    TimeInForce,
)
from exchange_service.domain.countercheck import Countercheck
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import (
    Expiry,
    Fact,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    Rejected,
    Traded,
)
from exchange_service.domain.journal import decode_command, encode_command, settle_command
from exchange_service.domain.ledger import Pocket, list_transfers
from exchange_service.domain.matching import ENDS_TAKER
from exchange_service.domain.snapshot import calculate_fingerprint, read_snapshot, write_snapshot
from exchange_service.domain.symbol import ORDER_AMENDS_MAX, STOP_ORDERS_MAX
from exchange_service.domain.triggers import LOSSES, STOPS, waits_for_rise

from .book_model import STEP, Model, Order, ceil_ppm

START_SAT = 20_000_000
START_RAO = 60_000_000_000
ACCOUNTS = {1001: (1000, 2000), 1002: (0, 0), 1003: (3000, 500)}
OWNERS = st.sampled_from(list(ACCOUNTS))
SIDES = st.sampled_from(Side)
MODES = st.sampled_from(SelfTrade)
PRICES = st.integers(min_value=4990, max_value=5010).map(lambda ticks: ticks * 100)
QUANTITIES = st.integers(min_value=1, max_value=900).map(lambda steps: steps * STEP)
RARELY = st.integers(0, 7).map(lambda draw: draw == 0)
SLICES = st.one_of(st.just(0), st.integers(10, 100).map(lambda steps: steps * STEP))


@st.composite
def orders(draw: st.DrawFn) -> PlaceOrder:
    """An order that breaks no filter."""
    kind = draw(st.sampled_from(Kind))
    priced = kind in STOP_LIMITS or kind in (Kind.LIMIT, Kind.LIMIT_MAKER)
    tif = draw(st.sampled_from(TimeInForce)) if priced and kind is not Kind.LIMIT_MAKER else GTC
    quantity = draw(QUANTITIES)
    iceberg = draw(SLICES) if priced and tif is GTC else 0
    return PlaceOrder(
        time_ms=0,
        order_id=0,
        account_id=draw(OWNERS),
        side=draw(SIDES),
        kind=kind,
        price_sat=draw(PRICES) if priced else 0,
        quantity_rao=quantity,
        quote_sat=0,
        time_in_force=tif,
        self_trade=draw(MODES),
        client_order_id="",
        stop_price_sat=draw(PRICES) if kind in STOPS else 0,
        iceberg_rao=min(iceberg, quantity),
    )


def describe(terms: PlaceOrder) -> Order:
    """The order as the model knows it."""
    return {
        "id": terms.order_id,
        "owner": terms.account_id,
        "side": str(terms.side),
        "price": terms.price_sat,
        "stop": terms.stop_price_sat,
        "rising": terms.kind in STOPS and waits_for_rise(terms),
        "waiting": terms.kind in STOPS,
        "leaves": terms.quantity_rao,
        "iceberg": terms.iceberg_rao,
        "mode": str(terms.self_trade),
        "tif": str(terms.time_in_force),
        "weighted": 0,
        "paid": 0,
        "prevented": 0,
        "shown": 0,
        "other": 0,
        "rank": 0,
        "amends": 0,
    }


class ExchangeMachine(RuleBasedStateMachine):
    @initialize()
    def open_accounts(self) -> None:
        self.exchange = Exchange()
        self.replica = Exchange()
        self.replica.enforcing = False
        self.model = Model(ACCOUNTS, START_SAT, START_RAO)
        self.ledger: dict[tuple[int, str, Pocket], int] = {}
        self.trades: list[tuple[int, int, int, int]] = []
        self.happened: list[Fact] = []
        """Since the countercheck looked last."""
        self.next_id = 0
        self.now_ms = 0
        for number, (maker_ppm, taker_ppm) in ACCOUNTS.items():
            self.apply(OpenAccount(0, number, f"trader {number}", maker_ppm, taker_ppm, START_SAT))
        # The three bring their TAO outside the ledger: the audit's zero moves by that much.
        for exchange in (self.exchange, self.replica):
            for number in ACCOUNTS:
                exchange.accounts[number].free_rao += START_RAO
            exchange.accounts[3].free_rao -= START_RAO * len(ACCOUNTS)
        self.countercheck = Countercheck(self.exchange)
        self.happened.clear()

    def apply(self, command: Any) -> list[Any]:
        facts = self.exchange.apply(command)
        self.happened += [fact for fact in facts if not isinstance(fact, Rejected)]
        self.journal(command, facts)
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

    def journal(self, command: Any, facts: list[Any]) -> None:
        """Have the replica do what the journal would hold; rejections are not in it."""
        if isinstance(facts[0], Rejected):
            return
        written = settle_command(command, facts)
        again = self.replica.apply(decode_command(encode_command(written)))
        assert again == (facts if written is command else facts[:-1])

    def number(self, terms: PlaceOrder, list_id: int = 0) -> PlaceOrder:
        self.next_id += 1
        name = f"order-{self.next_id}"
        return terms._replace(order_id=self.next_id, client_order_id=name, list_id=list_id)

    @rule(terms=orders())
    def place(self, terms: PlaceOrder) -> None:
        terms = self.number(terms)
        facts = self.apply(terms)
        assert self.expect(terms) is not isinstance(facts[0], Rejected)

    def expect(self, terms: PlaceOrder) -> bool:
        """Do the same to the model; tell whether it takes the order."""
        model, order, since = self.model, describe(terms), len(self.model.trades)
        reference = model.last
        limit = order["price"] or model.collar(order["side"], reference)
        if not self.may_enter(order, terms, limit):
            return False
        if order["waiting"]:
            model.orders.append(order)
        else:
            model.enter(order, limit)
            model.settle(since, reference)
        return True

    def may_enter(self, order: Order, terms: PlaceOrder, limit: int) -> bool:
        model, owner = self.model, terms.account_id
        if order["waiting"]:
            waiting = [o for o in model.orders if o["waiting"] and o["owner"] == owner]
            if len(waiting) >= STOP_ORDERS_MAX or self.is_reached(order):
                return False
        if terms.kind is Kind.LIMIT_MAKER and model.look(order | {"mode": "NONE"}, limit)[0]:
            return False
        free_sat, free_rao = model.free(owner)
        if terms.side is Side.SELL:
            return free_rao >= terms.quantity_rao
        if terms.kind is not Kind.MARKET:
            return free_sat >= model.reserve(order)
        cost = model.look(order, limit)[1]
        return free_sat >= cost + ceil_ppm(cost * ACCOUNTS[owner][1])

    def is_reached(self, order: Order) -> bool:
        last, stop = self.model.last, order["stop"]
        return last > 0 and (last >= stop if order["rising"] else last <= stop)

    @rule(owner=OWNERS, side=SIDES, mode=MODES, quote=st.integers(1000, 9 * 10**6))
    def market_by_quote(self, owner: int, side: Side, mode: SelfTrade, quote: int) -> None:
        terms = self.number(PlaceOrder(0, 0, owner, side, Kind.MARKET, 0, 0, quote, GTC, mode, ""))
        facts = self.apply(terms)
        model, order, since = self.model, describe(terms), len(self.model.trades)
        reference, rate = model.last, ACCOUNTS[owner][1]
        limit = model.collar(str(side), reference)
        budget = quote * 10**6 // (10**6 + rate) if side is Side.BUY else quote
        order["leaves"] = 10**18
        traded, cost, prevented = model.look(order, limit, budget)
        order["leaves"] = traded + prevented
        free_sat, free_rao = model.free(owner)
        needed = cost + ceil_ppm(cost * rate)
        payable = free_sat >= needed if side is Side.BUY else free_rao >= order["leaves"]
        assert isinstance(facts[0], Rejected) is not bool(order["leaves"] and payable)
        if order["leaves"] and payable:
            assert needed <= quote or side is Side.SELL
            world, taker = copy.deepcopy(model), dict(order, leaves=10**18)
            world.run(taker, limit, budget)
            missing = taker["budget"] // (taker["seen"] * STEP // 10**9) * STEP
            ended = [f for f in facts if isinstance(f, OrderExpired) and f.terms == terms]
            assert ended if missing else all(f.expiry is Expiry.SELF_TRADE for f in ended)
            if missing and mode in ENDS_TAKER and taker["prevented"]:
                assert [f.expiry for f in ended] == [Expiry.SELF_TRADE]
            assert facts[0].quantity_rao == order["leaves"] + missing
            model.enter(order, limit)
            model.settle(since, reference)

    @rule(
        owner=OWNERS,
        side=SIDES,
        mode=MODES,
        quantity=QUANTITIES,
        profit=st.sampled_from((Kind.LIMIT_MAKER, Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT)),
        loss=st.sampled_from(sorted(LOSSES)),
        prices=st.lists(PRICES, min_size=4, max_size=4, unique=True).map(sorted),
    )
    def place_pair(
        self,
        owner: int,
        side: Side,
        mode: SelfTrade,
        quantity: int,
        profit: Kind,
        loss: Kind,
        prices: list[int],
    ) -> None:
        kinds = (profit, loss) if side is Side.SELL else (loss, profit)
        first = self.next_id + 1
        above, below = (
            self.number(
                PlaceOrder(
                    0, 0, owner, side, kind,
                    limit if kind in STOP_LIMITS or kind is Kind.LIMIT_MAKER else 0,
                    quantity, 0, GTC, mode, "", stop if kind in STOPS else 0,
                ),
                list_id=first,
            )
            for kind, limit, stop in (
                (kinds[0], prices[2], prices[3]),
                (kinds[1], prices[1], prices[0]),
            )
        )  # fmt: skip
        facts = self.apply(PlaceOrderPair(0, first, owner, f"list-{first}", above, below))
        assert self.expect_pair(above, below) is not isinstance(facts[0], Rejected)

    def expect_pair(self, above: PlaceOrder, below: PlaceOrder) -> bool:
        model, owner = self.model, above.account_id
        legs = [describe(above), describe(below)]
        free = model.free(owner)[0 if above.side is Side.BUY else 1]
        waiting = [o for o in model.orders if o["waiting"] and o["owner"] == owner]
        if len(waiting) + sum(leg["waiting"] for leg in legs) > STOP_ORDERS_MAX:
            return False
        for terms, leg in zip((above, below), legs, strict=True):
            if leg["waiting"] and self.is_reached(leg):
                return False
            if not leg["waiting"] and model.look(leg | {"mode": "NONE"}, terms.price_sat)[0]:
                return False
        if free < max(model.reserve(leg) for leg in legs):
            return False
        for leg, other in (legs, reversed(legs)):
            leg["other"] = other["id"]
            model.orders.append(leg)
            if not leg["waiting"]:
                model.rest(leg)
        return True

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(1, self.next_id + 1))
        owner = data.draw(OWNERS)
        facts = self.apply(CancelOrder(0, owner, number, ""))
        known = [o for o in self.model.orders if o["id"] == number and o["owner"] == owner]
        assert isinstance(facts[0], Rejected) is not bool(known)
        for order in known:
            self.model.drop(order)

    @rule(owner=OWNERS, really=RARELY)
    def cancel_all(self, owner: int, really: bool) -> None:
        if not really:
            return
        self.apply(CancelAllOrders(0, owner))
        self.expect_none_of(owner)

    def expect_none_of(self, owner: int) -> None:
        self.model.orders = [o for o in self.model.orders if o["owner"] != owner]
        account = self.exchange.accounts[owner]
        assert (account.locked_sat, account.locked_rao) == (0, 0)

    @rule(data=st.data())
    def cancel_pair(self, data: st.DataObject) -> None:
        legs = [order for order in self.model.orders if order["other"]]
        if legs:
            leg = data.draw(st.sampled_from(legs))
            list_id = self.exchange.orders[leg["id"]].terms.list_id
            facts = self.apply(CancelOrderPair(0, leg["owner"], 0, f"list-{list_id}"))
            assert len([fact for fact in facts if isinstance(fact, OrderCancelled)]) == 2
            self.model.drop(leg)

    @rule(owner=OWNERS, after_ms=st.integers(0, 3), passes=st.integers(0, 3), really=RARELY)
    def dead_mans_switch(self, owner: int, after_ms: int, passes: int, really: bool) -> None:
        if not really:
            return
        self.apply(SetDeadline(self.now_ms, owner, after_ms))
        due = self.now_ms + after_ms if after_ms else None
        self.now_ms += passes
        self.apply(PassDeadlines(self.now_ms))
        if due is not None and due <= self.now_ms:
            self.expect_none_of(owner)
        else:
            self.apply(SetDeadline(self.now_ms, owner, 0))

    @rule(data=st.data(), quantity=QUANTITIES, keeps_name=st.booleans())
    def amend(self, data: st.DataObject, quantity: int, keeps_name: bool) -> None:
        if not self.model.orders:
            return
        order = data.draw(st.sampled_from(self.model.orders))
        open_order = self.exchange.orders[order["id"]]
        total = open_order.quantity_rao
        name = open_order.terms.client_order_id if keeps_name else ""
        facts = self.apply(AmendOrder(0, order["owner"], order["id"], quantity, "", name))
        gone = total - order["leaves"]
        fits = gone < quantity < total and not order["other"] and order["amends"] < ORDER_AMENDS_MAX
        assert isinstance(facts[0], Rejected) is not fits
        if fits:
            order["leaves"] = quantity - gone
            order["amends"] += 1
            order["shown"] = min(order["shown"], order["leaves"])

    @rule(data=st.data(), terms=orders(), mode=st.sampled_from(ReplaceMode))
    def replace(self, data: st.DataObject, terms: PlaceOrder, mode: ReplaceMode) -> None:
        number = data.draw(st.integers(1, self.next_id + 1))
        terms = self.number(terms)
        owner = terms.account_id
        facts = self.apply(ReplaceOrder(0, owner, number, "", Restriction.NONE, mode, terms))
        known = [o for o in self.model.orders if o["id"] == number and o["owner"] == owner]
        for order in known:
            self.model.drop(order)
        tried = bool(known) or mode is ReplaceMode.ALLOW_FAILURE
        placed = tried and self.expect(terms)
        assert placed is any(isinstance(fact, OrderAccepted) for fact in facts)
        assert isinstance(facts[0], Rejected) is not (bool(known) or placed)

    @rule()
    def restart_from_a_snapshot(self) -> None:
        self.replica = read_snapshot(write_snapshot(self.replica))
        self.replica.enforcing = False
        self.countercheck = Countercheck(self.exchange)

    @invariant()
    def books_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        assert self.model.trades == self.trades
        for side, book in (("BUY", self.exchange.book.bids), ("SELL", self.exchange.book.asks)):
            assert [(o["id"], o["leaves"], o["shown"]) for o in self.model.makers(side)] == [
                (o.terms.order_id, o.leaves_rao, o.shown_rao) for o in book.in_order()
            ]
        assert sorted(o["id"] for o in self.model.orders if o["waiting"]) == sorted(
            order.terms.order_id for order in self.exchange.triggers
        )

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
        for account in self.exchange.accounts.values():
            bids = [order for order in account.orders.values() if order.buying]
            assert account.bid_rao == sum(order.quantity_rao for order in bids)
        assert calculate_fingerprint(self.exchange) == calculate_fingerprint(self.replica)

    @invariant()
    def the_books_kept_a_second_time_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        moved = [(0, transfer) for fact in self.happened for transfer in list_transfers(fact)]
        self.countercheck.check(self.happened, moved, sorted(self.exchange.accounts))
        self.happened.clear()


# `make chaos-exchange` runs more: TAONET_EXAMPLES.
TestExchangeMachine = ExchangeMachine.TestCase
TestExchangeMachine.settings = settings(
    max_examples=int(os.environ.get("TAONET_EXAMPLES", "60")),
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
)
