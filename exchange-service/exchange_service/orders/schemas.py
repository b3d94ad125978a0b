"""Orders in Binance's words: from facts and records to JSON."""

from enum import StrEnum
from typing import Any, Final

from exchange_service.domain.facts import (
    Fact,
    MatchPrevented,
    OrderAmended,
    OrderCancelled,
    PairDone,
    PairOpened,
    Traded,
)
from exchange_service.domain.projection import (
    OrderRecord,
    Projection,
    describe_amended,
    describe_cancelled,
)
from exchange_service.domain.symbol import QUOTE, SYMBOL
from exchange_service.formats import btc, tao
from exchange_service.orders.naming import name_cancellation
from exchange_service.orders.repository import Amendment, OwnTrade, PairRecord, PreventedMatch

NO_ORDER_LIST: Final = -1


class ResponseKind(StrEnum):
    """How much an answer to a new order says."""

    ACK = "ACK"
    RESULT = "RESULT"
    FULL = "FULL"


def write_new_order(facts: list[Fact], kind: ResponseKind) -> dict[str, Any]:
    """Return the answer to a new order, from the facts it led to."""
    (order,), trades = project(facts)
    answer = _name(order, transactTime=order.created_ms)
    if kind is ResponseKind.ACK:
        return answer
    answer.update(_describe(order))
    if kind is ResponseKind.FULL:
        # The order may have set off others; their trades are not its own fills.
        own = [trade for trade in trades if trade.taker_order_id == order.order_id]
        answer["fills"] = [_write_fill(trade) for trade in own]
    if matches := [fact for fact in facts if isinstance(fact, MatchPrevented)]:
        own_matches = [match for match in matches if match.taker_order_id == order.order_id]
        answer["preventedMatches"] = [_write_prevented(match) for match in own_matches]
    return answer


def project(facts: list[Fact]) -> tuple[list[OrderRecord], list[Traded]]:
    """Return the orders that a command's facts accepted, as they stand now, and all its trades."""
    projection = Projection()
    for fact in facts:
        projection.follow(fact)
    return list(projection.orders.values()), projection.trades


def write_cancelled(fact: OrderCancelled) -> dict[str, Any]:
    """Return the answer to a cancellation."""
    order = describe_cancelled(fact)
    return {
        "symbol": SYMBOL,
        "origClientOrderId": order.client_order_id,
        **_name(order, transactTime=order.updated_ms),
        "clientOrderId": name_cancellation(fact),
        **_describe(order),
    }


def write_cancelled_all(facts: list[Fact]) -> list[dict[str, Any]]:
    """Return the answers to the cancellations among the facts."""
    return [write_cancelled(fact) for fact in facts if isinstance(fact, OrderCancelled)]


def write_order(order: OrderRecord) -> dict[str, Any]:
    """Return an order as queries show it."""
    return {
        **_name(order),
        **_describe(order),
        "stopPrice": btc(order.stop_price_sat),
        "icebergQty": tao(order.iceberg_rao),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": order.working_ms > 0,
    }


def write_amended(fact: OrderAmended, execution_id: int) -> dict[str, Any]:
    """Return the answer to an amendment, by the number that a list of them has for it."""
    order = describe_amended(fact)
    described = _describe(order)
    renamed = {
        "qty": described.pop("origQty"),
        "quoteOrderQty": described.pop("origQuoteOrderQty"),
        "cumulativeQuoteQty": described.pop("cummulativeQuoteQty"),
        "preventedQty": tao(order.prevented_rao),
    }
    return {
        "transactTime": fact.time_ms,
        "executionId": execution_id,
        "amendedOrder": {
            **_name(order),
            "origClientOrderId": fact.previous_client_order_id,
            **described,
            **renamed,
        },
    }


def write_amendment(amendment: Amendment) -> dict[str, Any]:
    return {
        "symbol": SYMBOL,
        "orderId": amendment.order_id,
        "executionId": amendment.amendment_id,
        "origClientOrderId": amendment.previous_client_order_id,
        "newClientOrderId": amendment.client_order_id,
        "origQty": tao(amendment.previous_rao),
        "newQty": tao(amendment.quantity_rao),
        "time": amendment.time_ms,
    }


def write_prevented(match: PreventedMatch) -> dict[str, Any]:
    return {
        "symbol": SYMBOL,
        "preventedMatchId": match.prevented_id,
        "takerOrderId": match.taker_order_id,
        "makerSymbol": SYMBOL,
        "makerOrderId": match.maker_order_id,
        "tradeGroupId": match.account_id,
        "selfTradePreventionMode": match.self_trade,
        "price": btc(match.price_sat),
        "takerPreventedQuantity": tao(match.taker_rao),
        "makerPreventedQuantity": tao(match.maker_rao),
        "transactTime": match.time_ms,
    }


def write_new_pair(facts: list[Fact], kind: ResponseKind) -> dict[str, Any]:
    """Return the answer to a new pair: the list and its two orders."""
    (opened,) = (fact for fact in facts if isinstance(fact, PairOpened))
    orders, _ = project(facts)
    record = PairRecord(
        opened.list_id, opened.account_id, opened.client_list_id, opened.time_ms, done_ms=0
    )
    reports = [_name(order, transactTime=order.created_ms) for order in orders]
    if kind is not ResponseKind.ACK:
        for report, order in zip(reports, orders, strict=True):
            report.update(_describe(order))
    return {**write_pair(record, orders), "orderReports": reports}


def write_cancelled_open(facts: list[Fact]) -> list[dict[str, Any]]:
    """Return the answers to the cancellation of all orders: a pair is answered as one."""
    cancelled = [fact for fact in facts if isinstance(fact, OrderCancelled)]
    # A leg that has outlived its pair is an order like any other.
    paired = {fact.list_id for fact in facts if isinstance(fact, PairDone)}
    answers: list[dict[str, Any]] = []
    for fact in facts:
        if isinstance(fact, PairDone):
            legs = [leg for leg in cancelled if leg.terms.list_id == fact.list_id]
            answers.append(write_cancelled_pair([*legs, fact]))
        elif isinstance(fact, OrderCancelled) and fact.terms.list_id not in paired:
            answers.append(write_cancelled(fact))
    return answers


def write_cancelled_pair(facts: list[Fact]) -> dict[str, Any]:
    """Return the answer to a pair's cancellation."""
    (done,) = (fact for fact in facts if isinstance(fact, PairDone))
    pair = PairRecord(
        done.list_id, done.account_id, done.client_list_id, done.time_ms, done.time_ms
    )
    orders = [describe_cancelled(fact) for fact in facts if isinstance(fact, OrderCancelled)]
    reports = write_cancelled_all(facts)
    return {**write_pair(pair, orders), "orderReports": reports}


def write_pair(pair: PairRecord, orders: list[OrderRecord]) -> dict[str, Any]:
    """Return a pair as queries show it."""
    return {
        "orderListId": pair.list_id,
        "contingencyType": "OCO",
        "listStatusType": "ALL_DONE" if pair.done_ms else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if pair.done_ms else "EXECUTING",
        "listClientOrderId": pair.client_list_id,
        "transactionTime": pair.done_ms or pair.opened_ms,
        "symbol": SYMBOL,
        "orders": [
            {
                "symbol": SYMBOL,
                "orderId": order.order_id,
                "clientOrderId": order.client_order_id,
            }
            for order in orders
        ],
    }


def write_own_trade(trade: OwnTrade) -> dict[str, Any]:
    return {
        "symbol": SYMBOL,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "orderListId": trade.list_id or NO_ORDER_LIST,
        "price": btc(trade.price_sat),
        "qty": tao(trade.quantity_rao),
        "quoteQty": btc(trade.quote_sat),
        "commission": btc(trade.fee_sat),
        "commissionAsset": QUOTE,
        "time": trade.time_ms,
        "isBuyer": trade.is_buyer,
        "isMaker": trade.is_maker,
        "isBestMatch": True,
    }


def _name(order: OrderRecord, **more: int) -> dict[str, Any]:
    return {
        "symbol": SYMBOL,
        "orderId": order.order_id,
        "orderListId": order.list_id or NO_ORDER_LIST,
        "clientOrderId": order.client_order_id,
        **more,
    }


def _describe(order: OrderRecord) -> dict[str, Any]:
    described: dict[str, Any] = {
        "price": btc(order.price_sat),
        "origQty": tao(order.quantity_rao),
        "executedQty": tao(order.executed_rao),
        "origQuoteOrderQty": btc(order.asked_sat),
        "cummulativeQuoteQty": btc(order.executed_sat),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.kind,
        "side": order.side,
        "selfTradePreventionMode": order.self_trade,
    }
    # What Binance shows only where there is something to show.
    if order.working_ms:
        described["workingTime"] = order.working_ms
    if order.stop_price_sat:
        described["stopPrice"] = btc(order.stop_price_sat)
    if order.iceberg_rao:
        described["icebergQty"] = tao(order.iceberg_rao)
    if order.prevented_rao:
        described["preventedQuantity"] = tao(order.prevented_rao)
    return described


def _write_prevented(match: MatchPrevented) -> dict[str, Any]:
    """Return a match that a new order was kept from; only what shrank has a quantity."""
    written: dict[str, Any] = {
        "preventedMatchId": match.prevented_id,
        "makerSymbol": SYMBOL,
        "makerOrderId": match.maker_order_id,
        "price": btc(match.price_sat),
    }
    if match.taker_rao:
        written["takerPreventedQuantity"] = tao(match.taker_rao)
    if match.maker_rao:
        written["makerPreventedQuantity"] = tao(match.maker_rao)
    return written


def _write_fill(trade: Traded) -> dict[str, Any]:
    return {
        "price": btc(trade.price_sat),
        "qty": tao(trade.quantity_rao),
        "commission": btc(trade.taker_fee_sat),
        "commissionAsset": QUOTE,
        "tradeId": trade.trade_id,
    }
