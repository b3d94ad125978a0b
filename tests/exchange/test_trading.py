"""From an order to a trade to balances, over HTTP, and again after a restart."""

from typing import Any

import pytest

from exchange_service.client import ExchangeRefusal


def test_a_buy_meets_a_sell(box: Any) -> None:
    maker, taker = box.trader("maker", tao=100), box.trader("taker")
    resting = maker.limit_order("SELL", "0.005000", "10", newClientOrderId="my-ask")

    answer = taker.limit_order("BUY", "0.005100", "4")

    assert resting["status"] == "NEW"
    assert answer["status"] == "FILLED"
    assert answer["cummulativeQuoteQty"] == "0.02000000"
    (fill,) = answer["fills"]
    assert (fill["price"], fill["qty"]) == ("0.00500000", "4.000000000")
    assert (fill["commission"], fill["commissionAsset"]) == ("0.00002000", "BTC")
    assert taker.balances()["TAO"] == ("4.000000000", "0.000000000")
    assert taker.balances()["BTC"] == ("0.97998000", "0.00000000")
    assert maker.balances()["TAO"] == ("90.000000000", "6.000000000")
    assert maker.balances()["BTC"] == ("1.01998000", "0.00000000")
    assert box.public.depth()["asks"] == [["0.00500000", "6.000000000"]]
    order = maker.find_order(origClientOrderId="my-ask")
    assert (order["status"], order["executedQty"]) == ("PARTIALLY_FILLED", "4.000000000")
    (trade,) = maker.my_trades()
    assert (
        trade["isBuyer"],
        trade["isMaker"],
        trade["commission"],
    ) == (False, True, "0.00002000")
    audit = box.audit()
    assert audit.sound, audit.faults
    assert audit.fees_sat == 4000


def test_everything_is_the_same_after_a_restart(start_box: Any) -> None:
    with start_box() as box:
        maker, taker = box.trader("maker", tao=100), box.trader("taker", tao=3)
        for step in range(5):
            maker.limit_order("SELL", f"0.00{500 + step}", "2")
            maker.limit_order("BUY", f"0.00{490 + step}", "1")
        taker.market_order("BUY", "3")
        taker.limit_order("SELL", "0.00494", "0.5", "IOC")
        cancelled = maker.open_orders()[1]["orderId"]
        maker.cancel(orderId=cancelled)
        before = box.audit()
        depth = box.public.depth()
        seen = maker.open_orders(), taker.my_trades(), maker.balances(), taker.all_orders()
        keys = maker, taker

    with start_box() as box:
        for client in keys:
            client._http = box.http
        again = box.audit()
        maker, taker = keys
        assert before.sound, before.faults
        # How far each invariant was checked, and when, is no part of the state.
        looked = {name: getattr(again, name) for name in ("invariants", "holdings_compared_ms")}
        assert before.model_copy(update=looked) == again
        assert depth == box.public.depth()
        assert seen == (
            maker.open_orders(),
            taker.my_trades(),
            maker.balances(),
            taker.all_orders(),
        )
        assert maker.limit_order("SELL", "0.00600", "1")["orderId"] > cancelled


def test_cancel_gives_back_what_was_locked(box: Any) -> None:
    trader = box.trader("ann")
    order = trader.limit_order("BUY", "0.004", "100")
    assert trader.balances()["BTC"] == ("0.59960000", "0.40040000")

    cancelled = trader.cancel(orderId=order["orderId"])

    assert cancelled["status"] == "CANCELED"
    assert trader.balances()["BTC"] == ("1.00000000", "0.00000000")
    with pytest.raises(ExchangeRefusal, match=r"-2011: Unknown order sent\."):
        trader.cancel(orderId=order["orderId"])
    with pytest.raises(ExchangeRefusal, match="-2011"):
        trader.cancel_all()


def test_nobody_else_can_see_or_cancel_an_order(box: Any) -> None:
    ann, bob = box.trader("ann"), box.trader("bob")
    order = ann.limit_order("BUY", "0.004", "1")["orderId"]
    with pytest.raises(ExchangeRefusal, match=r"-2011: Unknown order sent\."):
        bob.cancel(orderId=order)
    with pytest.raises(ExchangeRefusal, match=r"-2013: Order does not exist\."):
        bob.find_order(orderId=order)
    assert bob.open_orders() == []


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"price": "0.0050005"}, "-1013: Filter failure: PRICE_FILTER"),
        ({"price": "100.000001"}, "-1013: Filter failure: PRICE_FILTER"),
        ({"quantity": "1.001"}, "-1013: Filter failure: LOT_SIZE"),
        ({"quantity": "1000000.01"}, "-1013: Filter failure: LOT_SIZE"),
        ({"price": "0.000001", "quantity": "1"}, "-1013: Filter failure: NOTIONAL"),
        ({"price": "99", "quantity": "1000"}, "-1013: Filter failure: NOTIONAL"),
        ({"price": "0"}, "-1013: Invalid price."),
        ({"quantity": "0.00"}, "-1013: Invalid quantity."),
        ({"price": "0.0050000001"}, "-1111: Parameter 'price' has too much precision."),
        ({"quantity": "1e3"}, "-1100: Illegal characters found in parameter 'quantity'"),
        ({"quantity": "-1"}, "-1100"),
        ({"quantity": "NaN"}, "-1100"),
        ({"quantity": "١"}, "-1100"),
        ({"quantity": "9" * 21}, "-1100"),
        ({"quantity": ""}, "-1102: Mandatory parameter 'quantity' was not sent"),
        ({"side": "HOLD"}, "-1117: Invalid side."),
        ({"type": "OTO"}, "-1116: Invalid orderType."),
        ({"timeInForce": "GTD"}, "-1115: Invalid timeInForce."),
        ({"timeInForce": ""}, "-1102"),
        ({"quoteOrderQty": "1"}, "-1106: Parameter 'quoteOrderQty' sent when not required."),
        ({"newClientOrderId": "with space"}, "-1100"),
        ({"quantity": "250"}, "-2010: Account has insufficient balance for requested action."),
        ({"side": "SELL"}, "-2010: Account has insufficient balance for requested action."),
    ],
)
def test_orders_that_are_refused(box: Any, order: dict[str, str], message: str) -> None:
    trader = box.trader("ann")
    good = {
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": "0.005",
        "quantity": "1",
    }
    with pytest.raises(ExchangeRefusal) as refusal:
        trader.order(**{**good, **order})
    assert str(refusal.value).startswith(message)
    assert refusal.value.status == 400
    assert trader.balances()["BTC"] == ("1.00000000", "0.00000000")


def test_duplicate_client_ids_and_post_only(box: Any) -> None:
    ann, bob = box.trader("ann", tao=10), box.trader("bob")
    ann.limit_order("SELL", "0.005", "1", newClientOrderId="one")
    with pytest.raises(ExchangeRefusal, match=r"-2010: Duplicate order sent\."):
        ann.limit_order("SELL", "0.006", "1", newClientOrderId="one")
    post_only = {"side": "BUY", "type": "LIMIT_MAKER", "quantity": "1"}
    with pytest.raises(ExchangeRefusal, match=r"-2010: Order would immediately match and take\."):
        bob.order(price="0.005", **post_only)
    assert "fills" not in bob.order(price="0.004999", **post_only)


def test_market_orders(box: Any) -> None:
    ann, bob = box.trader("ann", tao=10), box.trader("bob")
    empty = bob.market_order("BUY", "1")
    assert (empty["status"], empty["fills"]) == ("EXPIRED", [])
    ann.limit_order("SELL", "0.005", "1")
    ann.limit_order("SELL", "0.006", "5")

    by_quote = bob.order(side="BUY", type="MARKET", quoteOrderQty="0.011011")
    rest = bob.market_order("BUY", "9")

    assert (by_quote["status"], by_quote["executedQty"]) == ("FILLED", "2.000000000")
    # Two fills, one rounding: 0.1 % of 0.011 BTC in all.
    assert by_quote["cummulativeQuoteQty"] == "0.01100000"
    assert [fill["commission"] for fill in by_quote["fills"]] == ["0.00000500", "0.00000600"]
    assert (rest["status"], rest["executedQty"]) == ("EXPIRED", "4.000000000")
    assert bob.balances()["TAO"] == ("6.000000000", "0.000000000")
    assert box.audit().sound


def test_fill_or_kill_and_immediate_or_cancel(box: Any) -> None:
    ann, bob = box.trader("ann", tao=10), box.trader("bob")
    ann.limit_order("SELL", "0.005", "2")
    killed = bob.limit_order("BUY", "0.005", "3", "FOK")
    assert (killed["status"], killed["executedQty"]) == ("EXPIRED", "0.000000000")
    cut = bob.limit_order("BUY", "0.005", "3", "IOC")
    assert (cut["status"], cut["executedQty"]) == ("EXPIRED", "2.000000000")
    assert bob.balances()["BTC"][1] == "0.00000000"


def test_own_orders_do_not_trade(box: Any) -> None:
    ann = box.trader("ann", tao=10)
    resting = ann.limit_order("SELL", "0.005", "2")["orderId"]
    bought = ann.limit_order("BUY", "0.005", "1")
    assert bought["status"] == "NEW"
    assert ann.find_order(orderId=resting)["status"] == "EXPIRED_IN_MATCH"
    assert ann.my_trades() == []


@pytest.mark.parametrize("mode", ["EXPIRE_TAKER", "EXPIRE_BOTH"])
def test_a_market_order_by_quote_that_its_own_order_stops_expired_in_match(
    box: Any, mode: str
) -> None:
    ann, bob = box.trader("ann", tao=10), box.trader("bob")
    ann.limit_order("SELL", "0.005", "1")
    box.deposit(1002, 10)
    bob.limit_order("SELL", "0.006", "1")
    order = {"side": "BUY", "type": "MARKET", "selfTradePreventionMode": mode}

    stopped = bob.order(quoteOrderQty="0.02", **order)
    ann.limit_order("SELL", "0.005", "1")
    # Whose quote is used up before it comes to its own order is not stopped by it.
    filled = bob.order(quoteOrderQty="0.005005", **order)

    assert (stopped["status"], stopped["executedQty"]) == ("EXPIRED_IN_MATCH", "1.000000000")
    assert bob.find_order(orderId=stopped["orderId"])["status"] == "EXPIRED_IN_MATCH"
    assert (filled["status"], filled["executedQty"]) == ("FILLED", "1.000000000")


def test_order_test_places_nothing(box: Any) -> None:
    ann = box.trader("ann")
    order = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "0.005"}
    assert ann._signed("POST", "/api/v3/order/test", symbol="TAOBTC", quantity="1", **order) == {}
    with pytest.raises(ExchangeRefusal, match="LOT_SIZE"):
        ann._signed("POST", "/api/v3/order/test", symbol="TAOBTC", quantity="0.001", **order)
    assert ann.open_orders() == []
