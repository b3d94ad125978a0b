"""`/exchange/v1/market-status`: everybody may read it, the operator may turn it. An account's fee
rates are the operator's to read and to set."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from exchange_service.domain.commands import SetFeeRates
from exchange_service.engine import execute_and_wait
from exchange_service.switch import repository
from exchange_service.switch.operations import Switch
from exchange_service.switch.repository import FeeRatesRow
from exchange_service.switch.schemas import (
    FeeRatesChange,
    FeeRatesView,
    StatusChange,
    StatusView,
)
from exchange_service.web import RunningEngine, check_operator, now_ms
from taonet.kit.db import Transaction
from taonet.kit.errors import NotFound

router = APIRouter(prefix="/exchange/v1", tags=["exchange"])


def find_switch(request: Request) -> Switch:
    switch: Switch = request.app.state.switch
    return switch


def find_rates(name: str, conn: Transaction) -> FeeRatesRow:
    row = repository.find_fee_rates(conn, name)
    if row is None:
        raise NotFound(f"there is no account {name!r}")
    return row


TheSwitch = Annotated[Switch, Depends(find_switch)]
TheRates = Annotated[FeeRatesRow, Depends(find_rates)]


@router.get("/market-status")
async def show_status(switch: TheSwitch) -> StatusView:
    return StatusView(status=switch.status, since=switch.since_ms)


@router.put("/market-status", dependencies=[Depends(check_operator)])
def turn_switch(body: StatusChange, switch: TheSwitch, request: Request) -> StatusView:
    switch.turn(request.app.state.pool, body.status, now_ms())
    return StatusView(status=switch.status, since=switch.since_ms)


@router.get("/accounts/{name}/fee-rates", dependencies=[Depends(check_operator)])
def show_fee_rates(rates: TheRates) -> FeeRatesView:
    return FeeRatesView(name=rates.name, maker_ppm=rates.maker_ppm, taker_ppm=rates.taker_ppm)


@router.put("/accounts/{name}/fee-rates", dependencies=[Depends(check_operator)])
def set_fee_rates(body: FeeRatesChange, rates: TheRates, engine: RunningEngine) -> FeeRatesView:
    """Set what the account's orders pay from now on; those in the book keep what they had."""
    execute_and_wait(engine, SetFeeRates(0, rates.account_id, body.maker_ppm, body.taker_ppm))
    return FeeRatesView(name=rates.name, maker_ppm=body.maker_ppm, taker_ppm=body.taker_ppm)
