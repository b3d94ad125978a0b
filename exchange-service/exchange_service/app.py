"""The exchange as a web application: the engine, the routes, and who watches the chain."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import psycopg
from fastapi import APIRouter, FastAPI
from psycopg import Connection
from psycopg_pool import ConnectionPool
from starlette.datastructures import State
from starlette.routing import WebSocketRoute

from exchange_service.auditing import Auditor
from exchange_service.authentication import Keyring
from exchange_service.engine import Engine
from exchange_service.errors import UNKNOWN_PATH, BinanceRefusal
from exchange_service.floor import Floor
from exchange_service.funds import routes as funds
from exchange_service.funds.operations import Desk
from exchange_service.funds.watching import open_desk, watching_chains
from exchange_service.gate import Gate
from exchange_service.keys import operations as keys_operations
from exchange_service.keys import repository as keys_repository
from exchange_service.keys import routes as keys
from exchange_service.limits import Limits, keep_sharing
from exchange_service.market import routes as market
from exchange_service.market.history import History
from exchange_service.openapi import describe
from exchange_service.orders import list_routes as order_lists
from exchange_service.orders import routes as orders
from exchange_service.proxies import Proxies
from exchange_service.recovery import recover
from exchange_service.reserves import routes as reserves
from exchange_service.reserves.operations import Prover
from exchange_service.reserves.reconciling import Reconciler
from exchange_service.settings import ExchangeSettings
from exchange_service.signer.client import SignerClient, Signing
from exchange_service.signer.vault import ensure_secret
from exchange_service.streams import routes as streams
from exchange_service.streams.api_socket import ApiSocket
from exchange_service.streams.hub import Hub
from exchange_service.streams.listen_keys import ListenKeys
from exchange_service.streams.market_socket import MarketSocket
from exchange_service.streams.publisher import Publisher
from exchange_service.streams.reports import Reporter
from exchange_service.switch import repository as switch_repository
from exchange_service.switch import routes as switch
from exchange_service.switch.operations import Switch
from exchange_service.turnstile import Turnstile
from exchange_service.watching import ExchangeState, watch_reserves
from exchange_service.web import now_ms
from taonet.kit.db import WIRE, begin, open_pool
from taonet.kit.garbage import collect_rarely
from taonet.kit.web import create_app as create_web_app

ENGINE_FAILED: Final = 70
"""Exit status of a process whose engine stopped: whoever watches it starts it anew."""
EXIT_GRACE_SECONDS: Final = 1.0
"""Time for the callers who wait to be told that the status of their orders is unknown."""
STOP_SECONDS: Final = 3.0
"""How long the end waits for the thread that shares the limits."""
GIL_SECONDS: Final = 0.0001
METHODS: Final = ["GET", "POST", "PUT", "DELETE", "PATCH"]

unknown = APIRouter()


@unknown.api_route("/api/{path:path}", methods=METHODS, include_in_schema=False)
@unknown.api_route("/sapi/{path:path}", methods=METHODS, include_in_schema=False)
async def refuse_unknown(path: str) -> None:
    raise BinanceRefusal(UNKNOWN_PATH, status=404)


def exit_soon() -> None:
    """End the process once the last answers are out: crash, and recover by starting."""
    threading.Timer(EXIT_GRACE_SECONDS, os._exit, [ENGINE_FAILED]).start()


def settle_runtime() -> None:
    """Make the interpreter fit for two busy threads: the engine and the event loop."""
    # After each of its waits for Postgres the engine needs the interpreter back soon.
    sys.setswitchinterval(GIL_SECONDS)
    collect_rarely()


@contextmanager
def working(name: str, work: Callable[..., None], *arguments: Any) -> Iterator[None]:
    """Have a thread work in the background; it ends when its last argument, an event, is set."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(*arguments, stop), name=name, daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(STOP_SECONDS)


def load_keyring(pool: ConnectionPool, settings: ExchangeSettings) -> Keyring:
    with begin(pool) as conn:
        rows = keys_repository.load_keys(conn)
    secret = ensure_secret(settings.api_secret_path())
    keys = [keys_operations.read_key(row) for row in rows]
    # By now nobody before us changes anything; what was signed until now may have been used.
    return Keyring(secret, keys, now_ms())


def create_app(
    settings: ExchangeSettings | None = None,
    on_engine_failure: Callable[[], None] = exit_soon,
    signer: Signing | None = None,
) -> Gate:
    """Return the exchange; `signer` takes the place of the process that holds the keys."""
    settings = settings or ExchangeSettings()
    signer = signer or SignerClient(settings.exchange_signer_url, settings.exchange_signer_token)
    app = create_web_app(
        "exchange",
        title="Taonet exchange",
        log_level=settings.log_level,
        traces_endpoint=settings.traces_endpoint,
        lifespan=lambda app: lifespan(app.state, settings, signer, on_engine_failure),
    )
    app.state.limits = limits = Limits(settings.budget())
    app.state.listen_keys = ListenKeys()
    app.state.proxies = Proxies(settings.exchange_trusted_proxies)
    app.state.operator_token = settings.exchange_operator_token
    app.add_middleware(Turnstile, limits=limits)
    add_doors(app)
    describe(app)
    # Before everything else: what goes through the gate shall not pay for what it does not use.
    return Gate(app)


@asynccontextmanager
async def lifespan(
    state: State,
    settings: ExchangeSettings,
    signer: Signing,
    on_engine_failure: Callable[[], None],
) -> AsyncIterator[None]:
    """Recover, open for trade, and at the end tell those who listen before the engine stops."""
    pool = state.pool = open_pool(settings.database_url)
    desk = open_desk(settings, signer)
    with psycopg.connect(settings.database_url, autocommit=True, **WIRE) as conn:
        publisher = start_engine(state, conn, on_engine_failure)
        open_for_trade(state, settings, desk)
        ticking = asyncio.create_task(publisher.keep_time())
        with watching_chains(settings, state.engine, pool, desk), working_beside(state, settings):
            yield
        state.hub.broadcast({"e": "serverShutdown", "E": now_ms()})
        ticking.cancel()
        state.engine.stop()
    pool.close()


def start_engine(
    state: State, conn: Connection, on_engine_failure: Callable[[], None]
) -> Publisher:
    """Recover the market, and set its engine going; return what tells the streams of it."""
    recovered = recover(conn)
    state.history, state.hub = history, hub = History(conn), Hub()
    state.switch = Switch(switch_repository.find_status(conn))
    settle_runtime()
    reporter = Reporter(recovered.exchange, state.limits.forgive)
    loop = asyncio.get_running_loop()
    publisher = Publisher(hub, recovered.market, history, reporter, state.pool, loop)
    listeners = [history.follow, publisher.follow]
    state.engine = Engine(conn, recovered, on_engine_failure, listeners=listeners)
    state.engine.start()
    state.auditor = Auditor(state.engine, state.pool, recovered.sequence)
    return publisher


def open_for_trade(state: State, settings: ExchangeSettings, desk: Desk) -> None:
    """Lay out what the routes and the gate answer from."""
    engine, pool = state.engine, state.pool
    state.keyring = load_keyring(pool, settings)
    state.floor = Floor(state.limits, state.keyring, state.switch, engine)
    state.funds_terms = funds.FundsTerms(
        desk, settings.exchange_maker_fee_ppm, settings.exchange_taker_fee_ppm
    )
    state.prover = Prover(engine, pool, desk, settings.chain_url)
    state.reconciler = Reconciler(engine, pool, desk, settings.chain_url, state.auditor.holdings)
    state.read_state = ExchangeState(pool, engine).read
    state.checks["engine"] = lambda: engine.failure


@contextmanager
def working_beside(state: State, settings: ExchangeSettings) -> Iterator[None]:
    with (
        working("proxies", state.proxies.keep_looking),
        working("limits", keep_sharing, state.limits, settings.redis_url),
        working("history", state.history.keep_writing, state.pool),
        working("audit", state.auditor.follow),
        working("reserves", watch_reserves, state.prover),
        working("holdings", state.reconciler.follow),
    ):
        yield


def add_doors(app: FastAPI) -> None:
    """Add all routes, and the doors that stay open: market streams, and the WebSocket API."""
    for router in (
        market.router,
        orders.router,
        order_lists.router,
        funds.account_router,
        funds.router,
        funds.own_router,
        keys.router,
        reserves.router,
        switch.router,
        streams.router,
        unknown,
    ):
        app.include_router(router)
    for path in ("/ws", "/ws/{streams:path}", "/stream"):
        app.router.routes.append(WebSocketRoute(path, MarketSocket(app.state)))
    app.router.routes.append(WebSocketRoute("/ws-api/v3", ApiSocket(app.state)))
