"""The exchange as a web application: the engine, the routes, and who watches the chain."""

import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import psycopg
from fastapi import APIRouter, FastAPI

from exchange_service.authentication import Keyring
from exchange_service.engine import Engine
from exchange_service.errors import UNKNOWN_PATH, BinanceRefusal
from exchange_service.funds import routes as funds
from exchange_service.funds.watching import open_desk, watching_chains
from exchange_service.keys import operations as keys_operations
from exchange_service.keys import repository as keys_repository
from exchange_service.keys import routes as keys
from exchange_service.limits import Limits, keep_sharing
from exchange_service.market import routes as market
from exchange_service.orders import routes as orders
from exchange_service.recovery import recover
from exchange_service.settings import ExchangeSettings
from exchange_service.signer.client import SignerClient, Signing
from exchange_service.signer.vault import ensure_secret
from exchange_service.turnstile import Turnstile
from taonet.kit.db import begin, open_pool
from taonet.kit.web import create_app as create_web_app

ENGINE_FAILED: Final = 70
"""Exit status of a process whose engine stopped: whoever watches it starts it anew."""
EXIT_GRACE_SECONDS: Final = 1.0
"""Time for the callers who wait to be told that the status of their orders is unknown."""
STOP_SECONDS: Final = 3.0
"""How long the end waits for the thread that shares the limits."""
METHODS: Final = ["GET", "POST", "PUT", "DELETE", "PATCH"]

unknown = APIRouter()


@unknown.api_route("/api/{path:path}", methods=METHODS, include_in_schema=False)
@unknown.api_route("/sapi/{path:path}", methods=METHODS, include_in_schema=False)
async def refuse_unknown(path: str) -> None:
    raise BinanceRefusal(UNKNOWN_PATH, status=404)


def exit_soon() -> None:
    """End the process once the last answers are out: crash, and recover by starting."""
    threading.Timer(EXIT_GRACE_SECONDS, os._exit, [ENGINE_FAILED]).start()


@contextmanager
def sharing_limits(settings: ExchangeSettings, limits: Limits) -> Iterator[None]:
    """Keep the counts of requests in Redis, too, for as long as the service runs."""
    stop = threading.Event()
    arguments = (limits, settings.redis_url, stop)
    thread = threading.Thread(target=keep_sharing, args=arguments, name="limits", daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(STOP_SECONDS)


def create_app(
    settings: ExchangeSettings | None = None,
    on_engine_failure: Callable[[], None] = exit_soon,
    signer: Signing | None = None,
) -> FastAPI:
    """Return the exchange; `signer` takes the place of the process that holds the keys."""
    settings = settings or ExchangeSettings()
    signer = signer or SignerClient(settings.exchange_signer_url, settings.exchange_signer_token)
    limits = Limits(settings.budget())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = open_pool(settings.database_url)
        secret = ensure_secret(settings.api_secret_path())
        desk = open_desk(settings, signer)
        with psycopg.connect(settings.database_url, autocommit=True) as conn:
            engine = Engine(conn, recover(conn), on_engine_failure)
            engine.start()
            with begin(pool) as first_conn:
                rows = keys_repository.load_keys(first_conn)
                keyring = Keyring(secret, [keys_operations.read_key(row) for row in rows])
            app.state.pool, app.state.engine, app.state.keyring = pool, engine, keyring
            app.state.funds_terms = funds.FundsTerms(
                desk, settings.exchange_maker_fee_ppm, settings.exchange_taker_fee_ppm
            )
            app.state.checks["engine"] = lambda: engine.failure
            with watching_chains(settings, engine, pool, desk), sharing_limits(settings, limits):
                yield
            engine.stop()
        pool.close()

    app = create_web_app(
        "exchange", title="Taonet exchange", log_level=settings.log_level, lifespan=lifespan
    )
    app.state.limits, app.state.charge = limits, limits.charge
    app.add_middleware(Turnstile, limits=limits)
    for router in (
        market.router,
        orders.router,
        funds.account_router,
        funds.router,
        funds.own_router,
        keys.router,
        unknown,
    ):
        app.include_router(router)
    return app
