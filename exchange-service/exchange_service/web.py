"""What all routes share: the engine, the clock, who asks and for what, how much one page holds."""

import hmac
import time
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request

from exchange_service.authentication import (
    Key,
    Permission,
    SignedRequest,
    check_format,
    find_key,
    verify,
)
from exchange_service.engine import Engine
from exchange_service.limits import Limits
from exchange_service.parameters import Parameters
from exchange_service.turnstile import HEADERS, find_address
from taonet.kit.errors import Unauthenticated

KEY_HEADER: Final = "x-mbx-apikey"
PAGE_DEFAULT: Final = 500
PAGE_MAX: Final = 1_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def find_engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


def find_limits(request: Request) -> Limits:
    limits: Limits = request.app.state.limits
    return limits


async def read_unsigned(request: Request) -> Parameters:
    """Give a public route its parameters."""
    return Parameters.read(request.scope["query_string"], b"")


async def read_keyed(request: Request) -> tuple[Key, Parameters]:
    """Give a route the parameters and the key it was asked with, without a signature."""
    api_key = request.headers.get(KEY_HEADER, "")
    check_format(api_key)
    address = find_address(request.scope)
    key = find_key(request.app.state.keyring, api_key, address, Permission.READ)
    return key, Parameters.read(request.scope["query_string"], await request.body())


def read_signed(permission: Permission, orders: int = 0) -> Callable[[Request], Any]:
    """Return what gives a route the request's signer and parameters, new orders counted."""

    async def read(request: Request) -> SignedRequest:
        api_key = request.headers.get(KEY_HEADER, "")
        address = find_address(request.scope)
        query: bytes = request.scope["query_string"]
        body = await request.body()
        keyring = request.app.state.keyring
        signed = verify(keyring, api_key, query, body, now_ms(), address, permission)
        if orders:
            request.app.state.switch.check_open()
            counts = request.app.state.limits.count(signed.account_id, orders)
            request.scope["state"].setdefault(HEADERS, []).extend(counts)
        return signed

    return read


def check_operator(request: Request, authorization: Annotated[str, Header()] = "") -> None:
    token: str = request.app.state.operator_token
    expected = f"Bearer {token}"
    if not token or not hmac.compare_digest(authorization.encode(), expected.encode()):
        raise Unauthenticated(
            "only the operator may do this; show TAONET_EXCHANGE_OPERATOR_TOKEN as a bearer token"
        )


RunningEngine = Annotated[Engine, Depends(find_engine)]
Counted = Annotated[Limits, Depends(find_limits)]
Unsigned = Annotated[Parameters, Depends(read_unsigned)]
Keyed = Annotated[tuple[Key, Parameters], Depends(read_keyed)]
Signed = Annotated[SignedRequest, Depends(read_signed(Permission.READ))]
Trading = Annotated[SignedRequest, Depends(read_signed(Permission.TRADE))]
Ordering = Annotated[SignedRequest, Depends(read_signed(Permission.TRADE, orders=1))]
OrderingPair = Annotated[SignedRequest, Depends(read_signed(Permission.TRADE, orders=2))]
Withdrawing = Annotated[SignedRequest, Depends(read_signed(Permission.WITHDRAW))]
