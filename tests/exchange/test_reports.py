"""What an account is told of its orders: cancelled, prevented, refused in another's place."""

import itertools
from typing import Any

import pytest

from exchange_service.domain.commands import (
    Asset,
    CancelAllOrders,
    CancelOrder,
    Command,
    CreditDeposit,
    Kind,
    MakeUpShortfall,
    OpenAccount,
    PlaceOrder,
    ReplaceMode,
    ReplaceOrder,
    Restriction,
    ReverseDeposit,
    SelfTrade,
    Side,
    TimeInForce,
)
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import Rejected
from exchange_service.feed import Commit
from exchange_service.orders.schemas import ResponseKind, write_cancelled_all, write_new_order
from exchange_service.streams.reports import Reporter

ANN = 1001
BUY, SELL = Side.BUY, Side.SELL
TAO, PRICE = 10**9, 500_000


class Listener:
    """One rich account, and what it hears of its orders."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.exchange.apply(OpenAccount(0, ANN, "ann", 0, 0, 10**10))
        self.exchange.accounts[ANN].free_rao += 100 * TAO
        self.reporter = Reporter(self.exchange, lambda account_id, orders: None)
        self.numbers = itertools.count(1)

    def order(self, side: Side, tao: int, **more: Any) -> PlaceOrder:
        terms = PlaceOrder(
            7, next(self.numbers), ANN, side, Kind.LIMIT, PRICE, tao * TAO, 0,
            TimeInForce.GTC, SelfTrade.DECREMENT, "",
        )  # fmt: skip
        return terms._replace(client_order_id=f"own-{terms.order_id}", **more)

    def hear(self, command: Command) -> list[dict[str, Any]]:
        facts = self.exchange.apply(command)
        assert not isinstance(facts[0], Rejected), facts
        self.facts = facts
        commit = Commit(0, 1, facts, [], 0, [], [])
        return [event for _, event in self.reporter.report(commit, {ANN}, 0)]


@pytest.fixture
def ann() -> Listener:
    return Listener()


def named(event: dict[str, Any], names: str) -> list[Any]:
    return [event.get(name) for name in names]


def test_a_cancellation_has_the_name_its_owner_gave_it(ann: Listener) -> None:
    ann.hear(ann.order(SELL, 1))
    (event,) = ann.hear(CancelOrder(0, ANN, 1, "", cancel_id="away"))
    assert named(event, "xXcC") == ["CANCELED", "CANCELED", "away", "own-1"]
    (answer,) = write_cancelled_all(ann.facts)
    assert (answer["clientOrderId"], answer["origClientOrderId"]) == ("away", "own-1")


def test_a_cancellation_without_a_name_gets_one(ann: Listener) -> None:
    ann.hear(ann.order(SELL, 1))
    (event,) = ann.hear(CancelAllOrders(0, ANN))
    assert named(event, "cC") == ["cancel-1", "own-1"]


@pytest.mark.parametrize(
    ("mode", "taker", "maker"),
    [
        (SelfTrade.EXPIRE_TAKER, ("EXPIRED_IN_MATCH", "3.000000000"), None),
        (SelfTrade.EXPIRE_MAKER, None, ("EXPIRED_IN_MATCH", "5.000000000")),
        (
            SelfTrade.EXPIRE_BOTH,
            ("EXPIRED_IN_MATCH", "3.000000000"),
            ("EXPIRED_IN_MATCH", "5.000000000"),
        ),
        (SelfTrade.DECREMENT, ("EXPIRED_IN_MATCH", "3.000000000"), ("NEW", "3.000000000")),
    ],
)
def test_a_prevented_match_is_told_with_its_number(
    ann: Listener, mode: SelfTrade, taker: tuple[str, str] | None, maker: tuple[str, str] | None
) -> None:
    ann.hear(ann.order(SELL, 5))
    events = ann.hear(ann.order(BUY, 3, self_trade=mode))
    prevented = {event["i"]: event for event in events if event["x"] == "TRADE_PREVENTION"}
    for order_id, counter_id, expected in ((1, 2, maker), (2, 1, taker)):
        assert (order_id in prevented) is (expected is not None)
        if expected is not None:
            status, quantity = expected
            event = prevented[order_id]
            assert named(event, "XABvU") == [status, quantity, quantity, 1, counter_id]
            assert event["w"] is (status == "NEW")
    (match,) = write_new_order(ann.facts, ResponseKind.FULL)["preventedMatches"]
    assert (match["preventedMatchId"], match["makerOrderId"]) == (1, 1)
    assert match.get("takerPreventedQuantity") == (taker[1] if taker else None)
    assert match.get("makerPreventedQuantity") == (maker[1] if maker else None)


def test_what_was_prevented_adds_up(ann: Listener) -> None:
    ann.hear(ann.order(SELL, 5))
    ann.hear(ann.order(BUY, 1))
    (told,) = (event for event in ann.hear(ann.order(BUY, 2)) if event["i"] == 1)
    assert named(told, "ABvU") == ["3.000000000", "2.000000000", 2, 3]
    (cancelled,) = ann.hear(CancelOrder(0, ANN, 1, ""))
    assert named(cancelled, "ABv") == ["3.000000000", None, None]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"quantity_rao": 1_000 * TAO}, "INSUFFICIENT_BALANCES"),
        ({"kind": Kind.LIMIT_MAKER, "side": BUY}, "WOULD_MATCH_IMMEDIATELY"),
        ({"client_order_id": "own-1"}, "DUPLICATE_ORDER"),
        ({"quantity_rao": 1}, "-1013"),
    ],
)
def test_an_order_refused_in_anothers_place_is_told(
    ann: Listener, changed: dict[str, Any], reason: str
) -> None:
    ann.hear(ann.order(SELL, 1))
    ann.hear(ann.order(SELL, 1, price_sat=PRICE + 100))
    order = ann.order(SELL, 1)._replace(**changed)
    mode, free = ReplaceMode.STOP_ON_FAILURE, Restriction.NONE
    cancelled, rejected = ann.hear(ReplaceOrder(0, ANN, 2, "", free, mode, order, "swap"))
    assert named(cancelled, "xcC") == ["CANCELED", "swap", "own-2"]
    assert named(rejected, "xXricw") == [
        *("REJECTED", "REJECTED", reason, -1, order.client_order_id, False)
    ]


def test_both_halves_refused_are_told_to_the_asker_alone(ann: Listener) -> None:
    order = ann.order(SELL, 1_000)
    mode, free = ReplaceMode.ALLOW_FAILURE, Restriction.NONE
    facts = ann.exchange.apply(ReplaceOrder(0, ANN, 9, "", free, mode, order))
    commit = Commit(0, 1, facts, [], 0, [], [])
    assert ann.reporter.report(commit, {ANN}, 0) == []


def test_a_deposit_that_is_taken_back_is_told_as_far_as_it_was_there(ann: Listener) -> None:
    def hear_delta(command: Command) -> list[list[Any]]:
        return [named(event, "eadT") for event in ann.hear(command)]

    def told(delta: str) -> list[Any]:
        return ["balanceUpdate", "BTC", delta, 5]

    account = ann.exchange.accounts[ANN]
    account.free_sat = 0
    assert hear_delta(CreditDeposit(5, ANN, Asset.BTC, 900, 1, 0, "x", "a")) == [told("0.00000900")]
    account.free_sat -= 600
    assert hear_delta(ReverseDeposit(5, ANN, 900, 0, "a")) == [told("-0.00000300")]
    account.free_sat += 200
    assert hear_delta(MakeUpShortfall(5, ANN)) == [told("-0.00000200")]
    # Credited again it is told whole, and then what of it was owed.
    assert hear_delta(CreditDeposit(5, ANN, Asset.BTC, 900, 2, 0, "x", "a")) == [
        told("0.00000900"),
        told("-0.00000400"),
    ]


def test_of_a_deposit_that_was_spent_whole_nothing_is_told(ann: Listener) -> None:
    ann.hear(CreditDeposit(0, ANN, Asset.BTC, 900, 1, 0, "x", "a"))
    ann.exchange.accounts[ANN].free_sat = 0
    assert ann.hear(ReverseDeposit(0, ANN, 900, 0, "a")) == []
