"""`/api/v3/userDataStream`: listen keys, for clients that still ask for them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from exchange_service.errors import INVALID_LISTEN_KEY, BinanceRefusal
from exchange_service.streams.listen_keys import ListenKeys
from exchange_service.web import Keyed

router = APIRouter(prefix="/api/v3", tags=["streams"])


def find_listen_keys(request: Request) -> ListenKeys:
    listen_keys: ListenKeys = request.app.state.listen_keys
    return listen_keys


Listening = Annotated[ListenKeys, Depends(find_listen_keys)]


@router.post("/userDataStream")
async def open_listen_key(keyed: Keyed, listen_keys: Listening) -> dict[str, str]:
    key, _ = keyed
    return {"listenKey": listen_keys.open(key.account_id)}


@router.put("/userDataStream")
async def prolong_listen_key(keyed: Keyed, listen_keys: Listening) -> dict[str, str]:
    key, parameters = keyed
    if not listen_keys.prolong(parameters.text("listenKey"), key.account_id):
        raise BinanceRefusal(INVALID_LISTEN_KEY)
    return {}


@router.delete("/userDataStream")
async def close_listen_key(keyed: Keyed, listen_keys: Listening) -> dict[str, str]:
    key, parameters = keyed
    if not listen_keys.close(parameters.text("listenKey"), key.account_id):
        raise BinanceRefusal(INVALID_LISTEN_KEY)
    return {}
