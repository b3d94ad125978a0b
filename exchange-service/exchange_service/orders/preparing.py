"""From a signed request to a command, and to what writes its answer: the same at every door."""

from collections.abc import Callable
from functools import partial
from typing import Any

from exchange_service.authentication import SignedRequest
from exchange_service.domain.commands import CancelOrder, Kind, PlaceOrder, ReplaceOrder
from exchange_service.domain.facts import Fact
from exchange_service.orders.reading import read_cancellation, read_order
from exchange_service.orders.schemas import ResponseKind, write_cancelled_all, write_new_order
from exchange_service.parameters import Parameters


class Prepared:
    """What a request comes to: a command, and how its facts are answered."""

    __slots__ = ("command", "write")

    def __init__(
        self, command: PlaceOrder | CancelOrder, write: Callable[[list[Fact]], dict[str, Any]]
    ) -> None:
        self.command = command
        self.write = write


Prepare = Callable[[SignedRequest], Prepared]
"""Reads a request, or refuses it."""


def prepare_order(signed: SignedRequest) -> Prepared:
    order = read_order(signed.account_id, signed.parameters)
    kind = read_response_kind(order, signed.parameters)
    return Prepared(order, partial(write_new_order, kind=kind))


def prepare_cancellation(signed: SignedRequest) -> Prepared:
    command = read_cancellation(signed.account_id, signed.parameters)
    return Prepared(command, partial(write_named, command))


def write_named(command: CancelOrder | ReplaceOrder, facts: list[Fact]) -> dict[str, Any]:
    """Return the answer to a cancellation: with one leg of a pair goes the other, unnamed."""
    answers = write_cancelled_all(facts)
    wanted = command.order_id, command.client_order_id
    named = (one for one in answers if one["orderId"] == wanted[0] or not wanted[0])
    return next(one for one in named if wanted[1] in ("", one["origClientOrderId"]))


def read_response_kind(order: PlaceOrder, parameters: Parameters) -> ResponseKind:
    """Return how much the client wants to hear: for MARKET and LIMIT all, unless it says so."""
    plain = order.kind in (Kind.MARKET, Kind.LIMIT)
    default = ResponseKind.FULL if plain else ResponseKind.ACK
    return parameters.choice("newOrderRespType", ResponseKind, default)
