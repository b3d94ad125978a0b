"""Failure modes of markets that lie in the rules alone, by their numbers (FAILURE_MODES.md)."""

import itertools
import os
import random

import pytest

from exchange_service.domain.audit import find_faults
from exchange_service.domain.commands import (
    CancelAllOrders,
    Kind,
    OpenAccount,
    PlaceOrder,
    SelfTrade,
    Side,
    TimeInForce,
)
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import (
    Fact,
    OrderExpired,
    OrderTriggered,
    Rejected,
    Traded,
)
from exchange_service.domain.ledger import list_transfers
from exchange_service.domain.refusals import PERCENT_PRICE_BY_SIDE, WOULD_TRIGGER
from exchange_service.domain.snapshot import calculate_fingerprint

STEP = 10_000_000
PRICE = 500_000
ANN, BEN, CAT = 1001, 1002, 1003
BUY, SELL = Side.BUY, Side.SELL
SMALL_TRADES = int(os.environ.get("TAONET_TEST_TRADES", "100000"))
"""`make chaos-exchange` makes a million."""
OWN_ORDERS = 20_000


class Market:
    """Three rich traders with uneven fee rates, and orders in few words."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.orders = itertools.count(1)
        for number, rate in ((ANN, 1_000), (BEN, 999), (CAT, 7)):
            self.exchange.apply(OpenAccount(0, number, f"t{number}", rate, rate, 10**12))
            self.exchange.accounts[number].free_rao += 10**15
            self.exchange.accounts[3].free_rao -= 10**15

    def place(
        self,
        owner: int,
        side: Side,
        steps: int,
        price_sat: int = 0,
        *,
        kind: Kind | None = None,
        stop_sat: int = 0,
        tif: TimeInForce = TimeInForce.GTC,
        mode: SelfTrade = SelfTrade.EXPIRE_MAKER,
    ) -> list[Fact]:
        kind = kind or (Kind.LIMIT if price_sat else Kind.MARKET)
        number = next(self.orders)
        return self.exchange.apply(
            PlaceOrder(
                0, number, owner, side, kind, price_sat, steps * STEP, 0, tif, mode,
                f"o{number}", stop_sat,
            )
        )  # fmt: skip

    def count(self, *owners: int) -> tuple[int, int]:
        """Return all that the accounts have together: satoshi and rao, free and locked."""
        accounts = [self.exchange.accounts[owner] for owner in owners]
        return (
            sum(account.free_sat + account.locked_sat for account in accounts),
            sum(account.free_rao + account.locked_rao for account in accounts),
        )


def trades(facts: list[Fact]) -> list[Traded]:
    return [fact for fact in facts if isinstance(fact, Traded)]


def test_06_no_rounding_leaks_or_makes_money() -> None:
    """Many small trades at odd prices: every satoshi is somewhere, and nobody got one for free."""
    rng, market, fees = random.Random(6), Market(), 0
    exchange, owners = market.exchange, (ANN, BEN, CAT)
    before = market.count(*owners)
    while exchange.last_trade_id < SMALL_TRADES:
        owner, side = rng.choice(owners), rng.choice((BUY, SELL))
        price = rng.randint(4_990, 5_010) * 100
        facts = market.place(owner, side, rng.randint(1, 3), price, mode=SelfTrade.NONE)
        made = sum(fact.taker_fee_sat + fact.maker_fee_sat for fact in trades(facts))
        moved = [one for fact in facts for one in list_transfers(fact) if one.reason == "fee"]
        assert sum(one.amount for one in moved) == made
        fees += made
        if isinstance(facts[0], Rejected):  # As many are open as one may have.
            exchange.apply(CancelAllOrders(0, owner))
    assert market.count(*owners) == (before[0] - fees, before[1])
    assert exchange.accounts[1].free_sat == fees > 0
    assert find_faults(exchange) == []
    for number in owners:
        exchange.apply(CancelAllOrders(0, number))
        account = exchange.accounts[number]
        assert (account.locked_sat, account.locked_rao) == (0, 0)  # Also failure mode 5.


@pytest.mark.parametrize("owners", [(CAT,), (ANN, CAT)])
def test_06_nobody_gains_by_trades_with_himself(owners: tuple[int, ...]) -> None:
    """Nor with another account of his: after every command he has as much TAO, and no more BTC."""
    rng, market = random.Random(66), Market()
    has_sat, has_rao = market.count(*owners)
    for _ in range(OWN_ORDERS):
        owner, side, tif = (
            rng.choice(owners),
            rng.choice((BUY, SELL)),
            rng.choice(list(TimeInForce)),
        )
        price, steps = rng.choice((0, 100, 499_900, 500_000)), rng.choice((1, 1, 2, 70))
        facts = market.place(owner, side, steps, price, tif=tif, mode=rng.choice(list(SelfTrade)))
        left_sat, left_rao = market.count(*owners)
        made = trades(facts)
        assert left_rao == has_rao
        assert left_sat == has_sat - sum(one.taker_fee_sat + one.maker_fee_sat for one in made)
        assert left_sat < has_sat or not made
        has_sat = left_sat
        if rng.random() < 0.02:
            market.exchange.apply(CancelAllOrders(0, owner))
    assert market.exchange.last_trade_id > OWN_ORDERS // 100


@pytest.mark.parametrize("mode", [mode for mode in SelfTrade if mode is not SelfTrade.NONE])
@pytest.mark.parametrize(
    ("tif", "at_any_price"), [*((tif, False) for tif in TimeInForce), (TimeInForce.GTC, True)]
)
@pytest.mark.parametrize("own_first", [False, True])
def test_07_nobody_trades_with_himself(
    mode: SelfTrade, tif: TimeInForce, at_any_price: bool, own_first: bool
) -> None:
    market = Market()
    for owner in (ANN, BEN) if own_first else (BEN, ANN):
        market.place(owner, SELL, 5, PRICE)
    market.place(BEN, SELL, 5, PRICE + 100)
    facts = market.place(ANN, BUY, 12, 0 if at_any_price else PRICE + 100, tif=tif, mode=mode)
    assert all(fact.maker_account_id != ANN for fact in trades(facts))
    ends_taker = mode in (SelfTrade.EXPIRE_TAKER, SelfTrade.EXPIRE_BOTH)
    resting = [order for order in market.exchange.book.bids.in_order() if order.account.name]
    if ends_taker or at_any_price or tif is not TimeInForce.GTC:
        assert resting == [], "what is left of a taker that ended never rests"
    if mode in (SelfTrade.EXPIRE_MAKER, SelfTrade.EXPIRE_BOTH) and tif is not TimeInForce.FOK:
        assert any(isinstance(fact, OrderExpired) and fact.terms.side is SELL for fact in facts), (
            "the maker is gone"
        )
    assert find_faults(market.exchange) == []


def test_09_a_thousand_stops_end_at_the_collar_and_always_alike() -> None:
    def crash() -> tuple[Exchange, list[Fact]]:
        market = Market()
        market.exchange.last_price_sat = PRICE
        for tick in range(4_000):
            market.place(BEN, BUY, 1, PRICE - 100 * tick) if tick % 20 == 0 else None
        for count in range(1_000):
            owner = 2_000 + count // 10
            if count % 10 == 0:
                market.exchange.apply(OpenAccount(0, owner, f"s{owner}", 0, 0, 0))
                market.exchange.accounts[owner].free_rao += 10**12
                market.exchange.accounts[3].free_rao -= 10**12
            market.place(owner, SELL, 1, kind=Kind.STOP_LOSS, stop_sat=PRICE - 100 * (count + 1))
        return market.exchange, market.place(CAT, SELL, 2)

    exchange, facts = crash()
    prices = [fact.price_sat for fact in trades(facts)]
    triggered = [fact.terms for fact in facts if isinstance(fact, OrderTriggered)]
    assert len(triggered) > 50
    assert prices == sorted(prices, reverse=True)
    assert min(prices) >= PRICE // 2
    stops = [terms.stop_price_sat for terms in triggered]
    assert stops == sorted(stops, reverse=True), "the next to be reached is the next to go"
    assert find_faults(exchange) == []
    again, same = crash()
    assert (calculate_fingerprint(again), same) == (calculate_fingerprint(exchange), facts)


@pytest.mark.parametrize(
    ("side", "price_sat", "fits"),
    [
        (BUY, 2 * PRICE, True), (BUY, 2 * PRICE + 100, False),
        (BUY, PRICE // 10, True), (BUY, PRICE // 10 - 100, False),
        (SELL, PRICE // 2, True), (SELL, PRICE // 2 - 100, False),
        (SELL, 10 * PRICE, True), (SELL, 10 * PRICE + 100, False),
    ],
)  # fmt: skip
def test_09_a_fat_finger_is_refused(side: Side, price_sat: int, fits: bool) -> None:
    market = Market()
    market.exchange.last_price_sat = PRICE
    first = market.place(ANN, side, 5, price_sat)[0]
    assert (first == Rejected(PERCENT_PRICE_BY_SIDE)) is not fits


def test_09_a_stop_that_is_reached_already_is_refused() -> None:
    market = Market()
    market.exchange.last_price_sat = PRICE
    facts = market.place(ANN, SELL, 5, kind=Kind.STOP_LOSS, stop_sat=PRICE)
    assert facts == [Rejected(WOULD_TRIGGER)]
