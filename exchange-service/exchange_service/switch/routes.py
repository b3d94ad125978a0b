"""`/exchange/v1/market-status`: everybody may read it, the operator may turn it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from exchange_service.switch.operations import Switch
from exchange_service.switch.schemas import StatusChange, StatusView
from exchange_service.web import check_operator, now_ms
from taonet.kit.db import Transaction

router = APIRouter(prefix="/exchange/v1", tags=["exchange"])


def find_switch(request: Request) -> Switch:
    switch: Switch = request.app.state.switch
    return switch


TheSwitch = Annotated[Switch, Depends(find_switch)]


@router.get("/market-status")
async def show_status(switch: TheSwitch) -> StatusView:
    return StatusView(status=switch.status, since=switch.since_ms)


@router.put("/market-status", dependencies=[Depends(check_operator)])
def turn_switch(body: StatusChange, switch: TheSwitch, conn: Transaction) -> StatusView:
    switch.turn(conn, body.status, now_ms())
    return StatusView(status=switch.status, since=switch.since_ms)
