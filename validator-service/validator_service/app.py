"""The gateway: a Validator's web process. It also registers the Validator and follows deposits."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import redis
import redis.asyncio
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg_pool import ConnectionPool

from chain_service.async_client import AsyncChainClient
from server_service.client import Grammars, ServerClient
from taonet.kit import web
from taonet.kit.audits import Audits
from taonet.kit.db import migrate, open_pool
from taonet.kit.errors import Refusal
from taonet.kit.garbage import collect_rarely
from taonet.kit.keys import Keypair, load_hotkey
from taonet.kit.metrics import REFUSALS
from taonet.kit.quick_http import QuickTransport
from validator_service import repository
from validator_service.background import running_beside
from validator_service.gateway import knowledge, models
from validator_service.gateway import routes as gateway_routes
from validator_service.gateway.calls import CALLS_MAX
from validator_service.gateway.context import Gateway, Sampling
from validator_service.gateway.directory import Directory
from validator_service.gateway.errors import InvalidRequest, openai_error
from validator_service.gateway.limiting import RateLimiter
from validator_service.gateway.replays import Replays
from validator_service.ledger import routes as ledger_routes
from validator_service.ledger.access import Access
from validator_service.ledger.books import Books
from validator_service.ledger.deposits import load_seed
from validator_service.ledger.errors import InsufficientBalance
from validator_service.metrics import AUDITS, ValidatorState
from validator_service.payouts import routes as payout_routes
from validator_service.payouts.audit import Auditor
from validator_service.rounds import routes as round_routes
from validator_service.settings import ValidatorSettings
from validator_service.tokenizing import load_token_bytes, load_tokenizer

OPENAI_PREFIX = "/v1/"
POOL_SIZE = 8
IDLE_SECONDS = 2.0
"""How long a connection to a Server is kept for the next call; Servers close idle ones after 5 s,
and a call must not meet that."""
CONNECTIONS = httpx.Limits(
    max_connections=2 * CALLS_MAX,
    max_keepalive_connections=CALLS_MAX,
    keepalive_expiry=IDLE_SECONDS,
)
RETRY_SECONDS = 1.0
"""When to try again where the refusal itself does not know better."""


def create_app() -> FastAPI:
    settings = ValidatorSettings()
    app = web.create_app(
        "validator",
        title=f"Taonet gateway of {settings.validator_name}",
        log_level=settings.log_level,
        traces_endpoint=settings.traces_endpoint,
        lifespan=lifespan,
        checks={"database": lambda: check_database(app)},
        body_seconds_max=settings.validator_body_seconds,
    )
    app.state.settings = settings
    app.add_exception_handler(Refusal, render_refusal)
    app.add_exception_handler(RequestValidationError, render_invalid)
    app.include_router(gateway_routes.router)
    app.include_router(models.router)
    app.include_router(knowledge.router)
    app.include_router(ledger_routes.router)
    app.include_router(payout_routes.router)
    app.include_router(round_routes.router)
    return app


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: ValidatorSettings = app.state.settings
    hotkey = load_hotkey(settings.wallet_path, settings.wallet_name, settings.hotkey_name)
    migrate(settings.database_url, "validator_service")
    pool = app.state.pool = open_pool(settings.database_url, size_max=POOL_SIZE)
    app.state.access = Access(
        name=settings.validator_name,
        hotkey=hotkey.ss58_address,
        prices=settings.prices(),
        deposit_seed=load_seed(settings.wallet_path, settings.wallet_name, settings.hotkey_name),
        redis=redis.Redis.from_url(settings.redis_url),
        pool=pool,
    )
    async with (
        httpx.AsyncClient(transport=QuickTransport(CONNECTIONS), trust_env=False) as http,
        AsyncChainClient(settings.chain_url) as chain,
        redis.asyncio.Redis.from_url(settings.redis_url) as store,
    ):
        gateway = app.state.gateway = create_gateway(settings, pool, hotkey, http, chain)
        app.state.replays = Replays(store, hotkey.ss58_address)
        app.state.auditor = Auditor(pool, chain, app.state.access.deposit_seed)
        app.state.read_state = ValidatorState(pool).read
        treasury = app.state.auditor.treasury
        async with auditing(app.state.auditor):
            with running_beside(settings, pool, hotkey, treasury, gateway), Audits(pool, AUDITS):
                collect_rarely()
                yield
                await gateway.close()
    app.state.access.redis.close()
    pool.close()


@asynccontextmanager
async def auditing(auditor: Auditor) -> AsyncIterator[None]:
    """Compare the books with the chain for the time of a block."""
    looking = asyncio.create_task(auditor.keep_looking())
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.wait({looking})


def create_gateway(
    settings: ValidatorSettings,
    pool: ConnectionPool,
    hotkey: Keypair,
    http: httpx.AsyncClient,
    chain: AsyncChainClient,
) -> Gateway:
    tokenizer = load_tokenizer(settings.tokenizer_path)
    client = ServerClient(hotkey, http, vocabulary_size=tokenizer.get_vocab_size())
    books = Books(pool)
    books.start()
    return Gateway(
        pool=pool,
        books=books,
        directory=Directory(
            chain, client, hotkey.ss58_address, settings.validator_private_addresses
        ),
        client=client,
        tokenizer=tokenizer,
        token_bytes=load_token_bytes(tokenizer),
        grammars=Grammars(tokenizer.to_str()),
        prices=settings.prices(),
        take_percent=settings.validator_take_percent,
        limiter=RateLimiter(
            settings.validator_requests_per_minute, settings.validator_tokens_per_minute
        ),
        sampling=Sampling(settings.validator_organic_percent / 100, settings.shape()),
        reservation_seconds=settings.validator_reservation_seconds,
        hedging=settings.validator_hedging,
    )


def check_database(app: FastAPI) -> str | None:
    with app.state.pool.connection(timeout=1) as conn:
        repository.ping(conn)
    return None


def render_refusal(request: Request, error: Exception) -> JSONResponse:
    """What speaks OpenAI's language refuses in it too."""
    assert isinstance(error, Refusal)
    REFUSALS.labels(error.code).inc()
    headers = dict(getattr(request.state, "limit_headers", {}))
    if error.status in (429, 503):
        headers["retry-after"] = str(math.ceil(getattr(error, "retry_seconds", RETRY_SECONDS)))
    if isinstance(error, InsufficientBalance):
        error.details["exchange_url"] = request.app.state.settings.exchange_url
    body = openai_error(error) if request.url.path.startswith(OPENAI_PREFIX) else error.as_json()
    return JSONResponse(body, status_code=error.status, headers=headers)


def render_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    param = ".".join(str(part) for part in first["loc"] if part != "body")
    return render_refusal(request, InvalidRequest(param, f"{param}: {first['msg']}"))
