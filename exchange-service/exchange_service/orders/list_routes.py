"""Pairs of orders (OCO), cancel-replace, and the dead man's switch."""

from typing import Any, Final

from fastapi import APIRouter

from exchange_service.domain.commands import CancelOrderPair, ReplaceOrder, SetDeadline
from exchange_service.domain.facts import (
    DeadlineSet,
    Fact,
    Half,
    OrderAccepted,
    Rejected,
    ReplaceRefused,
)
from exchange_service.domain.refusals import (
    CANCEL_REPLACE_FAILED,
    CANCEL_REPLACE_PARTIALLY_FAILED,
    Reason,
)
from exchange_service.domain.symbol import SYMBOL
from exchange_service.engine import execute
from exchange_service.errors import BinanceRefusal
from exchange_service.orders import repository
from exchange_service.orders.preparing import read_response_kind, write_named
from exchange_service.orders.reading import read_pair, read_replacement
from exchange_service.orders.routes import read_day
from exchange_service.orders.schemas import (
    ResponseKind,
    write_cancelled_pair,
    write_new_order,
    write_new_pair,
    write_pair,
)
from exchange_service.parameters import TIME_MAX
from exchange_service.web import (
    PAGE_DEFAULT,
    PAGE_MAX,
    Ordering,
    OrderingPair,
    RunningEngine,
    Signed,
    Trading,
)
from taonet.kit.db import Transaction

NO_LIST_NAMED: Final = Reason(
    -1102, "Param 'orderListId' or 'listClientOrderId' must be sent, but both were empty/null!"
)
UNKNOWN_LIST: Final = Reason(-2018, "Order list does not exist.")

router = APIRouter(prefix="/api/v3", tags=["orders"])


class ReplaceFailed(BinanceRefusal):
    """A cancel-replace that did not do both; the data say how each half went."""

    def __init__(self, reason: Reason, status: int, data: dict[str, Any]) -> None:
        super().__init__(reason, status)
        self.data = data

    def as_json(self) -> dict[str, Any]:
        return {**super().as_json(), "data": self.data}


@router.post("/order/cancelReplace")
async def replace_order(signed: Ordering, engine: RunningEngine) -> dict[str, Any]:
    parameters = signed.parameters
    command = read_replacement(signed.account_id, parameters)
    kind = read_response_kind(command.order, parameters)
    facts = await engine.submit_from_loop(command, signed.valid_until_ms)
    data = write_replacement(command, facts, kind)
    results = {data["cancelResult"], data["newOrderResult"]}
    if results == {"SUCCESS"}:
        return data
    if "SUCCESS" in results:
        raise ReplaceFailed(CANCEL_REPLACE_PARTIALLY_FAILED, 409, data)
    raise ReplaceFailed(CANCEL_REPLACE_FAILED, 400, data)


def write_replacement(
    command: ReplaceOrder, facts: list[Fact], kind: ResponseKind
) -> dict[str, Any]:
    """Return how each half of a cancel-replace went."""
    refused = {fact.half: fact.reason for fact in facts if isinstance(fact, ReplaceRefused)}
    if isinstance(facts[0], Rejected) and not refused:
        raise BinanceRefusal(facts[0].reason)
    failures = {
        half: {"code": reason.code, "msg": reason.message} for half, reason in refused.items()
    }
    placed = any(isinstance(fact, OrderAccepted) for fact in facts)
    cancelled = None if Half.CANCEL in refused else write_named(command, facts)
    return {
        "cancelResult": "SUCCESS" if cancelled else "FAILURE",
        "newOrderResult": "SUCCESS"
        if placed
        else ("FAILURE" if Half.ORDER in failures else "NOT_ATTEMPTED"),
        "cancelResponse": cancelled or failures.get(Half.CANCEL),
        "newOrderResponse": write_new_order(facts, kind) if placed else failures.get(Half.ORDER),
    }


@router.post("/orderList/oco")
async def place_pair(signed: OrderingPair, engine: RunningEngine) -> dict[str, Any]:
    parameters = signed.parameters
    command = read_pair(signed.account_id, parameters)
    kind = parameters.choice("newOrderRespType", ResponseKind, ResponseKind.RESULT)
    return write_new_pair(await execute(engine, command, signed.valid_until_ms), kind)


@router.delete("/orderList")
async def cancel_pair(signed: Trading, engine: RunningEngine) -> dict[str, Any]:
    parameters = signed.parameters
    parameters.check_symbol()
    list_id = parameters.optional_integer("orderListId", 0)
    name = parameters.optional_text("listClientOrderId")
    if not list_id and not name:
        raise BinanceRefusal(NO_LIST_NAMED)
    cancel_id = parameters.client_id("newClientOrderId")
    command = CancelOrderPair(0, signed.account_id, list_id, name, cancel_id)
    return write_cancelled_pair(await execute(engine, command, signed.valid_until_ms))


@router.get("/orderList")
def show_pair(signed: Signed, conn: Transaction) -> dict[str, Any]:
    parameters = signed.parameters
    list_id = parameters.optional_integer("orderListId", 0)
    name = parameters.optional_text("origClientOrderId")
    if not list_id and not name:
        raise BinanceRefusal(NO_LIST_NAMED)
    pair = repository.find_pair(conn, signed.account_id, list_id, name)
    if pair is None:
        raise BinanceRefusal(UNKNOWN_LIST)
    return write_pair(pair, repository.list_legs(conn, [pair.list_id])[pair.list_id])


@router.get("/allOrderList")
def show_all_pairs(signed: Signed, conn: Transaction) -> list[dict[str, Any]]:
    parameters = signed.parameters
    pairs = repository.list_pairs(
        conn,
        signed.account_id,
        parameters.optional_integer("fromId", 0),
        *read_day(parameters),
        parameters.limit(PAGE_DEFAULT, PAGE_MAX),
    )
    legs = repository.list_legs(conn, [pair.list_id for pair in pairs])
    return [write_pair(pair, legs[pair.list_id]) for pair in pairs]


@router.get("/openOrderList")
def show_open_pairs(signed: Signed, conn: Transaction) -> list[dict[str, Any]]:
    pairs = repository.list_pairs(conn, signed.account_id, 0, 0, TIME_MAX, PAGE_MAX, only_open=True)
    legs = repository.list_legs(conn, [pair.list_id for pair in pairs])
    return [write_pair(pair, legs[pair.list_id]) for pair in pairs]


@router.post("/countdownCancelAll")
async def set_deadline(signed: Trading, engine: RunningEngine) -> dict[str, Any]:
    """Cancel all orders unless called again within `countdownTime` milliseconds; 0: never."""
    parameters = signed.parameters
    parameters.check_symbol()
    after_ms = parameters.integer("countdownTime")
    command = SetDeadline(0, signed.account_id, after_ms)
    facts = await execute(engine, command, signed.valid_until_ms)
    assert isinstance(facts[0], DeadlineSet)
    return {
        "symbol": SYMBOL,
        "countdownTime": str(after_ms),
        "triggerTime": facts[0].deadline_ms,
    }
