"""Who calls, and whether they may: what every route that costs money depends on."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends, Request

from server_service.client import TIMEOUT_HEADER
from validator_service.domain.keys import Scope
from validator_service.gateway.answering import ANSWER_SECONDS
from validator_service.gateway.calls import Call
from validator_service.gateway.context import Gateway, Order
from validator_service.gateway.errors import InvalidRequest
from validator_service.ledger.access import caller
from validator_service.ledger.errors import InsufficientScope
from validator_service.ledger.key_repository import Caller

IDEMPOTENCY_HEADER = "idempotency-key"
IDEMPOTENCY_CHARACTERS_MAX = 128
PRIVATE_HEADER = "x-taonet-private"
"""Say `true`, and no Server is ever scored by this call."""


def gateway_of(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


class Payer:
    """Takes one call of the account's rate; every answer says how many more it may make."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request, who: Annotated[Caller, Depends(caller)]) -> Caller:
        limiter = gateway_of(request).limiter
        request.state.limit_headers = limiter.headers(who.account)
        if self.scope not in who.scopes:
            raise InsufficientScope(self.scope)
        limiter.take_request(who.account)
        request.state.limit_headers = limiter.headers(who.account)
        if request.headers.get(PRIVATE_HEADER, "").lower() == "true":
            return replace(who, sampled=False)
        return who


PayingForText = Annotated[Caller, Depends(Payer(Scope.INFERENCE))]
PayingForKnowledge = Annotated[Caller, Depends(Payer(Scope.KNOWLEDGE))]


def order_of(request: Request, who: Caller, model: str) -> Order:
    key = request.headers.get(IDEMPOTENCY_HEADER)
    if key is not None and not (0 < len(key) <= IDEMPOTENCY_CHARACTERS_MAX and key.isprintable()):
        raise InvalidRequest(
            None, f"Idempotency-Key has 1 to {IDEMPOTENCY_CHARACTERS_MAX} printable characters"
        )
    return Order(request.state.request_id, who, model, key)


def answer_headers(request: Request, call: Call[Any]) -> dict[str, str]:
    """Return who answered, and how much more the account may ask."""
    uids = ",".join(str(server.uid) for server in call.answering())
    limits = call.gateway.limiter.headers(call.order.caller.account)
    return {"x-taonet-server": uids, "cache-control": "no-cache", **limits}


def seconds_to_wait(headers: Mapping[str, str]) -> float:
    """Return how long the consumer says to wait for the answer, within our own bound."""
    milliseconds = headers.get(TIMEOUT_HEADER)
    if milliseconds is None:
        return ANSWER_SECONDS
    if not (milliseconds.isascii() and milliseconds.isdigit() and len(milliseconds) < 10):
        raise InvalidRequest(None, f"{TIMEOUT_HEADER} is a whole number of milliseconds")
    return min(max(int(milliseconds), 1) / 1000, ANSWER_SECONDS)
