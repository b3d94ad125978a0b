"""The exchange as a web application: the engine, the routes, and who watches the chain."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import psycopg
from fastapi import APIRouter, FastAPI
from psycopg_pool import ConnectionPool
from starlette.routing import WebSocketRoute

from chain_service.client import ChainClient
from exchange_service.authentication import Keyring
from exchange_service.engine import Engine
from exchange_service.errors import UNKNOWN_PATH, BinanceRefusal
from exchange_service.funds import operations as funds_operations
from exchange_service.funds import routes as funds
from exchange_service.funds.deposits import Bookkeeper
from exchange_service.funds.wallet import Wallet, ensure_seed
from exchange_service.funds.withdrawals import Payer
from exchange_service.gate import Gate
from exchange_service.keys import operations as keys_operations
from exchange_service.keys import repository as keys_repository
from exchange_service.keys import routes as keys
from exchange_service.limits import Limits, keep_sharing
from exchange_service.market import routes as market
from exchange_service.market.history import History
from exchange_service.orders import list_routes as order_lists
from exchange_service.orders import routes as orders
from exchange_service.recovery import recover
from exchange_service.settings import ExchangeSettings
from exchange_service.streams import routes as streams
from exchange_service.streams.api_socket import ApiSocket
from exchange_service.streams.hub import Hub
from exchange_service.streams.listen_keys import ListenKeys
from exchange_service.streams.market_socket import MarketSocket
from exchange_service.streams.publisher import Publisher
from exchange_service.streams.reports import Reporter
from exchange_service.turnstile import Turnstile
from exchange_service.web import now_ms
from taonet.kit.db import begin, open_pool
from taonet.kit.web import create_app as create_web_app

ENGINE_FAILED: Final = 70
"""Exit status of a process whose engine stopped: whoever watches it starts it anew."""
EXIT_GRACE_SECONDS: Final = 1.0
"""Time for the callers who wait to be told that the status of their orders is unknown."""
STOP_SECONDS: Final = 3.0
"""How long the end waits for the threads that look at the chain."""
METHODS: Final = ["GET", "POST", "PUT", "DELETE", "PATCH"]

unknown = APIRouter()


@unknown.api_route("/api/{path:path}", methods=METHODS, include_in_schema=False)
@unknown.api_route("/sapi/{path:path}", methods=METHODS, include_in_schema=False)
async def refuse_unknown(path: str) -> None:
    raise BinanceRefusal(UNKNOWN_PATH, status=404)


def exit_soon() -> None:
    """End the process once the last answers are out: crash, and recover by starting."""
    threading.Timer(EXIT_GRACE_SECONDS, os._exit, [ENGINE_FAILED]).start()


def describe_terms(settings: ExchangeSettings, wallet: Wallet) -> funds.FundsTerms:
    return funds.FundsTerms(
        wallet,
        settings.exchange_maker_fee_ppm,
        settings.exchange_taker_fee_ppm,
        settings.exchange_withdrawal_fee_rao,
        settings.exchange_deposit_confirmations,
    )


@contextmanager
def watching_chain(
    settings: ExchangeSettings, engine: Engine, pool: ConnectionPool, wallet: Wallet
) -> Iterator[None]:
    """Run the two threads that look at the chain: one reads, one pays."""
    stop = threading.Event()

    def keep_books() -> None:
        with ChainClient(settings.chain_url) as chain:
            bookkeeper = Bookkeeper(chain, engine, pool, wallet)
            bookkeeper.follow(settings.exchange_deposit_confirmations, stop)

    def pay() -> None:
        with ChainClient(settings.chain_url) as chain:
            Payer(chain, pool, wallet).pay(stop)

    # Daemons: one that waits for the next block when the process ends loses nothing by it.
    threads = [
        threading.Thread(target=work, name=work.__name__, daemon=True)
        for work in (keep_books, pay)
        if settings.chain_url
    ]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join(STOP_SECONDS)


@contextmanager
def working(name: str, work: Callable[..., None], *arguments: Any) -> Iterator[None]:
    """Have a thread work in the background; it ends when its last argument, an event, is set."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(*arguments, stop), name=name, daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(STOP_SECONDS)


def create_app(
    settings: ExchangeSettings | None = None, on_engine_failure: Callable[[], None] = exit_soon
) -> FastAPI:
    settings = settings or ExchangeSettings()
    limits = Limits(settings.budget())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = open_pool(settings.database_url)
        seed = ensure_seed(settings.wallet_seed_path())
        wallet = Wallet(seed)
        with psycopg.connect(settings.database_url, autocommit=True) as conn:
            recovered, history = recover(conn), History(conn)
            hub = Hub()
            publisher = Publisher(
                hub,
                recovered.market,
                history,
                Reporter(recovered.exchange),
                pool,
                asyncio.get_running_loop(),
            )
            listeners = [history.follow, publisher.follow]
            engine = Engine(conn, recovered, on_engine_failure, listeners=listeners)
            engine.start()
            with begin(pool) as first_conn:
                rows = keys_repository.load_keys(first_conn)
                keyring = Keyring(seed, [keys_operations.read_key(row) for row in rows])
                funds_operations.check_wallet(first_conn, wallet)
            app.state.pool, app.state.engine, app.state.keyring = pool, engine, keyring
            app.state.history, app.state.hub = history, hub
            ticking = asyncio.create_task(publisher.keep_time())
            app.state.wallet, app.state.funds_terms = wallet, describe_terms(settings, wallet)
            app.state.checks["engine"] = lambda: engine.failure
            with (
                watching_chain(settings, engine, pool, wallet),
                working("limits", keep_sharing, limits, settings.redis_url),
                working("history", history.keep_writing, pool),
            ):
                yield
            hub.broadcast({"e": "serverShutdown", "E": now_ms()})
            ticking.cancel()
            engine.stop()
        pool.close()

    app = create_web_app(
        "exchange", title="Taonet exchange", log_level=settings.log_level, lifespan=lifespan
    )
    app.state.limits, app.state.charge = limits, limits.charge
    app.state.listen_keys = ListenKeys()
    app.add_middleware(Turnstile, limits=limits)
    app.add_middleware(Gate, state=app.state)
    for router in (
        market.router,
        orders.router,
        order_lists.router,
        funds.account_router,
        funds.router,
        keys.router,
        streams.router,
        unknown,
    ):
        app.include_router(router)
    add_sockets(app)
    return app


def add_sockets(app: FastAPI) -> None:
    """Add the doors that stay open: market streams, and the WebSocket API."""
    for path in ("/ws", "/ws/{streams:path}", "/stream"):
        app.router.routes.append(WebSocketRoute(path, MarketSocket(app.state)))
    app.router.routes.append(WebSocketRoute("/ws-api/v3", ApiSocket(app.state)))
