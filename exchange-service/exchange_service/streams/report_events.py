"""Reports of orders, balances and pairs, in Binance's words."""

from dataclasses import dataclass
from typing import Any, Final

from exchange_service.domain.book import Order, Pair
from exchange_service.domain.commands import Asset, PlaceOrder
from exchange_service.domain.facts import MatchPrevented, Traded
from exchange_service.domain.refusals import (
    DUPLICATE_ORDER,
    INSUFFICIENT_BALANCE,
    WOULD_TAKE,
    WOULD_TRIGGER,
    Reason,
)
from exchange_service.domain.symbol import QUOTE, SYMBOL
from exchange_service.formats import btc, tao
from exchange_service.repository import Balance

Event = dict[str, Any]
NO_LIST: Final = -1
NO_ORDER: Final = -1
TRADED: Final = "TRADE"
PREVENTED: Final = "TRADE_PREVENTION"
REJECTED: Final = "REJECTED"
REJECTIONS: Final = {
    INSUFFICIENT_BALANCE: "INSUFFICIENT_BALANCES",
    WOULD_TRIGGER: "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
    WOULD_TAKE: "WOULD_MATCH_IMMEDIATELY",
    DUPLICATE_ORDER: "DUPLICATE_ORDER",
}
"""What a report calls the reasons that have a name there; of the others it tells the code."""


@dataclass(slots=True)
class OpenOrder:
    """An order that lives, as its account sees it."""

    terms: PlaceOrder
    quantity_rao: int
    executed_rao: int = 0
    executed_sat: int = 0
    prevented_rao: int = 0
    prevention: MatchPrevented | None = None
    """The last match with an order of its own account that made it smaller."""
    working_ms: int = 0
    """When it entered the book; 0: it waits for its trigger."""

    @property
    def status(self) -> str:
        if self.executed_rao == 0:
            return "NEW"
        return "PARTIALLY_FILLED" if self.leaves_rao else "FILLED"

    @property
    def leaves_rao(self) -> int:
        return self.quantity_rao - self.executed_rao - self.prevented_rao


@dataclass(slots=True)
class OpenPair:
    """Two orders of which one cancels the other."""

    list_id: int
    client_list_id: str
    order_ids: tuple[int, ...]
    names: dict[int, str]
    """The client order ids of its legs."""


def read_open_order(order: Order) -> OpenOrder:
    """Return the note of an order that was open when the exchange started."""
    terms = order.terms
    return OpenOrder(
        terms,
        order.quantity_rao,
        order.executed_rao,
        order.executed_sat,
        order.prevented_rao,
        working_ms=0 if order.level is None else terms.time_ms,
    )


def read_open_pair(pair: Pair) -> OpenPair:
    """Return the note of a pair that was open when the exchange started."""
    legs = [leg.terms for leg in (pair.above, pair.below)]
    names = {leg.order_id: leg.client_order_id for leg in legs}
    return OpenPair(pair.list_id, pair.client_list_id, tuple(names), names)


def order_event(order: OpenOrder, execution: str, time_ms: int) -> Event:
    """Return a report that says how an order stands; nothing was traded just now."""
    terms = order.terms
    event = {
        "e": "executionReport",
        "s": SYMBOL,
        "c": terms.client_order_id,
        "S": terms.side,
        "o": terms.kind,
        "f": terms.time_in_force,
        "q": tao(order.quantity_rao),
        "p": btc(terms.price_sat),
        "P": btc(terms.stop_price_sat),
        "F": tao(terms.iceberg_rao),
        "g": terms.list_id or NO_LIST,
        "C": "",
        "x": execution,
        "X": order.status,
        "r": "NONE",
        "i": terms.order_id,
        "l": tao(0),
        "z": tao(order.executed_rao),
        "L": btc(0),
        "n": "0",
        "N": None,
        "T": time_ms,
        "t": -1,
        "w": order.working_ms > 0 and order.status != "FILLED",
        "m": False,
        "M": False,
        "O": terms.time_ms,
        "Z": btc(order.executed_sat),
        "Y": btc(0),
        "Q": btc(terms.quote_sat),
        "V": terms.self_trade,
    }
    if order.working_ms:
        event["W"] = order.working_ms
    if order.prevented_rao:
        event["A"] = tao(order.prevented_rao)
    return event


def trade_report(order: OpenOrder, trade: Traded, fee_sat: int, is_maker: bool) -> Event:
    return {
        **order_event(order, TRADED, trade.time_ms),
        "l": tao(trade.quantity_rao),
        "L": btc(trade.price_sat),
        "n": btc(fee_sat),
        "N": QUOTE,
        "t": trade.trade_id,
        "m": is_maker,
        "M": True,
        "Y": btc(trade.quote_sat),
    }


def prevention_report(order: OpenOrder, time_ms: int) -> Event:
    """Return a report of a match that was prevented, with its number and the order it was with."""
    event = order_event(order, PREVENTED, time_ms)
    match = order.prevention
    if match is not None:
        took = match.taker_order_id == order.terms.order_id
        event["v"] = match.prevented_id
        event["B"] = tao(match.taker_rao if took else match.maker_rao)
        event["U"] = match.maker_order_id if took else match.taker_order_id
    return event


def rejection_report(terms: PlaceOrder, reason: Reason) -> Event:
    """Return a report of an order that was to take another's place and was refused."""
    event = order_event(OpenOrder(terms, terms.quantity_rao), REJECTED, terms.time_ms)
    why = REJECTIONS.get(reason, str(reason.code))
    # The next order will have the number that this one would have had.
    return {**event, "X": REJECTED, "r": why, "i": NO_ORDER}


def position_event(balance: Balance, time_ms: int, now_ms: int) -> Event:
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": time_ms,
        "B": [
            {"a": Asset.BTC, "f": btc(balance.free_sat), "l": btc(balance.locked_sat)},
            {"a": Asset.TAO, "f": tao(balance.free_rao), "l": tao(balance.locked_rao)},
        ],
    }


def list_event(pair: OpenPair, status: str, time_ms: int) -> Event:
    started = status == "EXECUTING"
    return {
        "e": "listStatus",
        "s": SYMBOL,
        "g": pair.list_id,
        "c": "OCO",
        "l": "EXEC_STARTED" if started else "ALL_DONE",
        "L": status,
        "r": "NONE",
        "C": pair.client_list_id,
        "T": time_ms,
        "O": [
            {"s": SYMBOL, "i": order_id, "c": pair.names.get(order_id, "")}
            for order_id in pair.order_ids
        ],
    }
