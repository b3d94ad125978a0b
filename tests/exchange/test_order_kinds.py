"""Stops, icebergs, pairs, replacements, amendments and deadlines, as clients send and see them."""

from typing import Any

import pytest
from tests.conftest import wait_until

from exchange_service.client import ExchangeRefusal

STOP = {
    "side": "SELL",
    "type": "STOP_LOSS_LIMIT",
    "timeInForce": "GTC",
    "quantity": "1",
    "price": "0.0044",
    "stopPrice": "0.0045",
}
PAIR = {
    "side": "SELL",
    "quantity": "1",
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "0.006",
    "belowType": "STOP_LOSS_LIMIT",
    "belowPrice": "0.0044",
    "belowStopPrice": "0.0045",
    "belowTimeInForce": "GTC",
}


@pytest.fixture
def traders(box: Any) -> tuple[Any, Any]:
    """Two accounts, and a last price of 0.005."""
    ann, bob = box.trader("ann", tao=100), box.trader("bob", tao=100)
    ann.limit_order("SELL", "0.005", "1")
    bob.limit_order("BUY", "0.005", "1")
    return ann, bob


def send(trader: Any, verb: str, path: str, **parameters: Any) -> Any:
    return trader._signed(verb, f"/api/v3/{path}", symbol="TAOBTC", **parameters)


def test_a_stop_waits_and_is_triggered(traders: Any) -> None:
    ann, bob = traders
    stop = ann.order(**STOP, newOrderRespType="RESULT")
    assert (stop["status"], stop["stopPrice"]) == ("NEW", "0.00450000")
    assert "workingTime" not in stop
    asked = ann.find_order(orderId=stop["orderId"])
    assert (asked["isWorking"], asked["stopPrice"]) == (False, "0.00450000")
    bob.limit_order("BUY", "0.0045", "2")
    ann.limit_order("SELL", "0.0045", "1")
    sold = ann.find_order(orderId=stop["orderId"])
    assert (sold["status"], sold["isWorking"], sold["executedQty"]) == (
        "FILLED",
        True,
        "1.000000000",
    )
    with pytest.raises(ExchangeRefusal, match=r"-2010: Order would trigger immediately\."):
        ann.order(**{**STOP, "stopPrice": "0.005", "price": "0.0044"})


def test_an_iceberg_shows_its_tip(box: Any, traders: Any) -> None:
    ann, _ = traders
    order = ann.limit_order("SELL", "0.006", "10", icebergQty="2")
    assert box.public.depth()["asks"] == [["0.00600000", "2.000000000"]]
    assert ann.find_order(orderId=order["orderId"])["icebergQty"] == "2.000000000"
    with pytest.raises(ExchangeRefusal, match="ICEBERG_PARTS"):
        ann.limit_order("SELL", "0.006", "10", icebergQty="0.01")
    with pytest.raises(ExchangeRefusal, match="-2010: Unsupported order combination"):
        ann.limit_order("SELL", "0.006", "10", "IOC", icebergQty="2")


def test_one_cancels_the_other(traders: Any) -> None:
    ann, bob = traders
    pair = send(ann, "POST", "orderList/oco", **PAIR, listClientOrderId="pair")
    assert (pair["contingencyType"], pair["listOrderStatus"]) == ("OCO", "EXECUTING")
    above, below = pair["orderReports"]
    assert (above["type"], below["type"]) == ("LIMIT_MAKER", "STOP_LOSS_LIMIT")
    assert above["orderListId"] == below["orderListId"] == pair["orderListId"]
    assert ann.balances()["TAO"][1] == "1.000000000"
    assert ann._signed("GET", "/api/v3/openOrderList")[0]["listClientOrderId"] == "pair"
    bob.limit_order("BUY", "0.006", "1")
    assert ann.find_order(orderId=below["orderId"])["status"] == "EXPIRED"
    done = ann._signed("GET", "/api/v3/orderList", orderListId=pair["orderListId"])
    assert (done["listStatusType"], len(done["orders"])) == ("ALL_DONE", 2)
    assert ann._signed("GET", "/api/v3/openOrderList") == []
    assert ann.my_trades()[-1]["orderListId"] == pair["orderListId"]


def test_a_pair_is_cancelled_as_one(traders: Any) -> None:
    ann, _ = traders
    pair = send(ann, "POST", "orderList/oco", **PAIR, listClientOrderId="mine")
    gone = send(ann, "DELETE", "orderList", orderListId=pair["orderListId"])
    assert (gone["listOrderStatus"], gone["listClientOrderId"]) == ("ALL_DONE", "mine")
    assert [report["status"] for report in gone["orderReports"]] == ["CANCELED"] * 2
    pair = send(ann, "POST", "orderList/oco", **PAIR)
    leg = pair["orders"][1]["orderId"]
    assert ann.cancel(orderId=leg)["orderId"] == leg
    assert ann.open_orders() == []
    with pytest.raises(ExchangeRefusal, match=r"-2018: Order list does not exist\."):
        ann._signed("GET", "/api/v3/orderList", orderListId=999)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"aboveType": "STOP_LOSS", "aboveStopPrice": "0.006"}, "-1197"),
        ({"belowType": "LIMIT_MAKER"}, "-1168: At least one OCO order must be contingent."),
        ({"aboveType": "LIMIT"}, "-1158: Order type not supported in OCO."),
        ({"side": "BUY"}, "-1165: A limit order in a buy OCO must be below."),
        ({"belowStopPrice": "0.0061", "belowPrice": "0.0061"}, "-2010: The relationship of the"),
        ({"aboveType": ""}, "-1102: Mandatory parameter 'aboveType' was not sent"),
        ({"belowTrailingDelta": "10"}, "-2010: Trailing stop orders are not supported"),
    ],
)
def test_pairs_that_are_refused(traders: Any, changed: dict[str, str], message: str) -> None:
    ann, _ = traders
    if changed.get("aboveType") == "STOP_LOSS":
        wanted = {name: value for name, value in PAIR.items() if name != "abovePrice"}
    elif changed.get("belowType") == "LIMIT_MAKER":
        wanted = {
            name: value
            for name, value in PAIR.items()
            if name not in ("belowStopPrice", "belowTimeInForce")
        }
    else:
        wanted = PAIR
    with pytest.raises(ExchangeRefusal) as refusal:
        send(ann, "POST", "orderList/oco", **{**wanted, **changed})
    assert str(refusal.value).startswith(message)


def test_cancel_and_replace(traders: Any) -> None:
    ann, _ = traders
    old = ann.limit_order("SELL", "0.006", "1")["orderId"]
    new = {"side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "price": "0.0061"}
    replace: dict[str, Any] = {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": old}
    done = send(ann, "POST", "order/cancelReplace", **replace, **new, quantity="1")
    assert (done["cancelResult"], done["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert done["cancelResponse"]["orderId"] == old
    with pytest.raises(ExchangeRefusal, match=r"-2022: Order cancel-replace failed\.") as failed:
        send(ann, "POST", "order/cancelReplace", **replace, **new, quantity="1")
    assert failed.value.status == 400
    replace["cancelReplaceMode"] = "ALLOW_FAILURE"
    with pytest.raises(ExchangeRefusal, match="-2021") as failed:
        send(ann, "POST", "order/cancelReplace", **replace, **new, quantity="2")
    assert failed.value.status == 409
    assert len(ann.open_orders()) == 2


@pytest.mark.parametrize("by_name", [False, True])
def test_replacing_the_lower_leg_of_a_pair_answers_with_that_leg(
    traders: Any, by_name: bool
) -> None:
    ann, _ = traders
    pair = send(ann, "POST", "orderList/oco", **PAIR, belowClientOrderId="lower")
    below = pair["orders"][1]["orderId"]
    named = {"cancelOrigClientOrderId": "lower"} if by_name else {"cancelOrderId": below}
    new = {"side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "price": "0.0061"}
    replace = {"cancelReplaceMode": "STOP_ON_FAILURE", **named, **new, "quantity": "1"}
    done = send(ann, "POST", "order/cancelReplace", **replace)
    assert done["cancelResponse"]["orderId"] == below
    assert done["newOrderResult"] == "SUCCESS"


def test_cancelling_all_answers_a_pair_as_one(traders: Any) -> None:
    ann, _ = traders
    first = ann.limit_order("SELL", "0.007", "1")["orderId"]
    pair = send(ann, "POST", "orderList/oco", **PAIR, listClientOrderId="pair")
    last = ann.limit_order("SELL", "0.007", "1")["orderId"]
    one, both, other = ann.cancel_all()
    assert (one["orderId"], other["orderId"]) == (first, last)
    assert (both["contingencyType"], both["listClientOrderId"]) == ("OCO", "pair")
    assert both["orders"] == pair["orders"]
    assert [report["status"] for report in both["orderReports"]] == ["CANCELED"] * 2


def test_a_leg_that_outlived_its_pair_is_answered_alone(traders: Any) -> None:
    ann, bob = traders
    below = send(ann, "POST", "orderList/oco", **PAIR)["orders"][1]["orderId"]
    bob.limit_order("BUY", "0.0045", "1")
    ann.limit_order("SELL", "0.0045", "1")
    send(ann, "POST", "orderList/oco", **{**PAIR, "belowStopPrice": "0.0043"})
    alone, both = ann.cancel_all()
    assert alone["orderId"] == below
    assert len(both["orderReports"]) == 2


def test_an_amendment_keeps_the_order(traders: Any) -> None:
    ann, _ = traders
    order = ann.limit_order("SELL", "0.006", "5", newClientOrderId="big")
    named = {"orderId": order["orderId"]}
    answers = [
        send(ann, "PUT", "order/amend/keepPriority", **named, newQty=quantity, **names)
        for quantity, names in (("4", {"newClientOrderId": "big"}), ("3", {}))
    ]
    assert answers[0]["amendedOrder"]["clientOrderId"] == "big"
    amended = answers[1]["amendedOrder"]
    assert (amended["orderId"], amended["qty"]) == (order["orderId"], "3.000000000")
    assert amended["origClientOrderId"] == "big" != amended["clientOrderId"]
    lines = send(ann, "GET", "order/amendments", **named)
    assert [one["executionId"] for one in lines] == [one["executionId"] for one in answers]
    since = {"fromExecutionId": answers[1]["executionId"]}
    assert send(ann, "GET", "order/amendments", **named, **since) == lines[1:]
    assert (lines[0]["origQty"], lines[1]["newQty"]) == ("5.000000000", "3.000000000")
    with pytest.raises(ExchangeRefusal, match="-2038"):
        send(ann, "PUT", "order/amend/keepPriority", orderId=order["orderId"], newQty="4")


def test_prevented_matches_are_told(traders: Any) -> None:
    ann, _ = traders
    resting = ann.limit_order("SELL", "0.006", "1")["orderId"]
    ann.limit_order("BUY", "0.006", "1", selfTradePreventionMode="EXPIRE_BOTH")
    (prevented,) = send(ann, "GET", "myPreventedMatches", orderId=resting)
    assert prevented["makerOrderId"] == resting
    assert prevented["selfTradePreventionMode"] == "EXPIRE_BOTH"
    with pytest.raises(ExchangeRefusal, match="-1102"):
        send(ann, "GET", "myPreventedMatches")


def test_the_dead_mans_switch(traders: Any) -> None:
    ann, _ = traders
    ann.limit_order("SELL", "0.006", "1")
    answer = send(ann, "POST", "countdownCancelAll", countdownTime=300)
    assert answer["triggerTime"] > 0
    with pytest.raises(ExchangeRefusal, match="'countdownTime' is not valid"):
        send(ann, "POST", "countdownCancelAll", countdownTime=10**9)
    wait_until(lambda: ann.open_orders() == [])


def test_cancel_restrictions(traders: Any) -> None:
    ann, bob = traders
    order = ann.limit_order("SELL", "0.006", "2")["orderId"]
    bob.limit_order("BUY", "0.006", "1")
    with pytest.raises(ExchangeRefusal, match="-2011: Order was not canceled due to cancel"):
        ann.cancel(orderId=order, cancelRestrictions="ONLY_NEW")
    with pytest.raises(ExchangeRefusal, match="-1145"):
        ann.cancel(orderId=order, cancelRestrictions="NEVER")
    ann.cancel(orderId=order, cancelRestrictions="ONLY_PARTIALLY_FILLED")


def test_what_an_account_may_have_is_told(box: Any) -> None:
    info = box.public.exchange_info()
    filters = {one["filterType"]: one for one in info["symbols"][0]["filters"]}
    assert filters["MAX_NUM_ORDER_AMENDS"]["maxNumOrderAmends"] == 10
    assert filters["MAX_NUM_ICEBERG_ORDERS"]["maxNumIcebergOrders"] == 20
    assert filters["MAX_POSITION"]["maxPosition"] == "21000000.000000000"
    assert filters["MAX_NUM_ORDERS"]["maxNumOrders"] == 200
    assert filters["MAX_NUM_ORDER_LISTS"]["maxNumOrderLists"] == 20
    assert info["exchangeFilters"] == []


def test_a_page_from_a_time_on_is_the_first(traders: Any) -> None:
    """So that who pages forwards by time, as ccxt does, misses nothing."""
    ann, bob = traders
    numbers = [ann.limit_order("SELL", "0.005", "1")["orderId"] for _ in range(3)]
    bob.limit_order("BUY", "0.005", "3")
    orders, trades = ann.all_orders(), ann.my_trades()
    since = {"startTime": orders[-3]["time"] - 1, "limit": 2}
    first = [one for one in orders if one["time"] >= since["startTime"]][:2]
    assert ann.all_orders(**since) == first
    assert ann.all_orders(limit=2) == orders[-2:]
    assert [one["orderId"] for one in orders[-3:]] == numbers
    assert ann.my_trades(startTime=1, limit=2) == trades[:2]
    assert ann.my_trades(limit=2) == trades[-2:]
    pairs = [send(ann, "POST", "orderList/oco", **PAIR)["orderListId"] for _ in range(2)]
    listed = ann._signed("GET", "/api/v3/allOrderList", startTime=1, limit=1)
    assert [one["orderListId"] for one in listed] == pairs[:1]


def test_a_journal_from_before_a_limit_is_replayed(start_box: Any) -> None:
    def amend(trader: Any, quantity: int) -> Any:
        path = "order/amend/keepPriority"
        return send(trader, "PUT", path, orderId=1, newQty=quantity)["amendedOrder"]

    with start_box() as box:
        ann = box.trader("ann", tao=100)
        box.engine.ask(lambda exchange: setattr(exchange, "enforcing", False)).result(10)
        ann.limit_order("SELL", "0.006", "50")
        for quantity in range(49, 30, -1):
            amend(ann, quantity)
    with start_box() as box:
        ann._http = box.http
        assert ann.open_orders()[0]["origQty"] == "31.000000000"
        with pytest.raises(ExchangeRefusal, match="-2038: Filter failure: MAX_NUM_ORDER_AMENDS"):
            amend(ann, 30)
