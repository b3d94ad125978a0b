"""Time and numbers: what a command gets on its way into the engine, and nowhere else."""

from typing import Any, Final

from exchange_service.domain.commands import (
    Command,
    OpenAccount,
    PlaceOrder,
    PlaceOrderPair,
    ReplaceOrder,
    RequestWithdrawal,
)
from exchange_service.domain.exchange import Exchange

_make_tuple: Final[Any] = tuple.__new__


def stamp(exchange: Exchange, command: Command, now_ms: int) -> Command:
    """Return the command with the time, and the next number of what it makes."""
    match command:
        case PlaceOrder():
            return _number(command, now_ms, exchange.last_order_id + 1)
        case ReplaceOrder(order=order):
            order = _number(order, now_ms, exchange.last_order_id + 1)
            return command._replace(time_ms=now_ms, order=order)
        case PlaceOrderPair():
            return _number_pair(exchange, command, now_ms)
        case OpenAccount():
            number = exchange.custody.last_account_id + 1
            return command._replace(time_ms=now_ms, account_id=number)
        case RequestWithdrawal():
            number = exchange.custody.last_withdrawal_id + 1
            return command._replace(time_ms=now_ms, withdrawal_id=number)
        case _:
            return command._replace(time_ms=now_ms)


def _number(order: PlaceOrder, now_ms: int, order_id: int) -> PlaceOrder:
    # They come first, and all others stay: several times as fast as _replace.
    numbered: PlaceOrder = _make_tuple(PlaceOrder, (now_ms, order_id, *order[2:]))
    return numbered


def _number_pair(exchange: Exchange, pair: PlaceOrderPair, now_ms: int) -> PlaceOrderPair:
    list_id, first = exchange.last_list_id + 1, exchange.last_order_id + 1
    above = _number(pair.above, now_ms, first)._replace(list_id=list_id)
    below = _number(pair.below, now_ms, first + 1)._replace(list_id=list_id)
    return pair._replace(time_ms=now_ms, list_id=list_id, above=above, below=below)
