"""The chain's web application: `uvicorn --factory chain_service.app:create_app`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import redis
from fastapi import FastAPI
from psycopg_pool import ConnectionPool

from chain_service import operations, sync_repository
from chain_service.history_routes import history_router
from chain_service.intake import Intake
from chain_service.live_routes import live_router
from chain_service.metrics import AUDITS
from chain_service.routes import router
from chain_service.settings import ChainSettings
from chain_service.snapshot_places import make_places
from chain_service.stream import BlockWatch
from taonet.kit import web
from taonet.kit.audits import Audits
from taonet.kit.db import begin, open_pool

REDIS_SECONDS = 1.0
"""The doorbell is a courtesy: it must not hold up an answer for longer."""


def create_app() -> FastAPI:
    """Read the settings, and wire everything."""
    settings = ChainSettings()
    app = web.create_app(
        "chain",
        title="Taonet chain",
        log_level=settings.log_level,
        traces_endpoint=settings.traces_endpoint,
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.state.leader = settings.chain_follow
    for part in (live_router, history_router, router):
        app.include_router(part)
    return app


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: ChainSettings = app.state.settings
    pool, doorbell = open_pool(settings.database_url), open_doorbell(settings.redis_url)
    watch, intake = BlockWatch(settings.database_url, pool), Intake(pool, doorbell)
    app.state.pool, app.state.watch, app.state.intake = pool, watch, intake
    app.state.read_state = watch.state.read
    app.state.snapshot_places = make_places()
    app.state.checks["author"] = lambda: check_standing(pool)
    watching = asyncio.create_task(watch.run())
    try:
        async with intake.running():
            with Audits(pool, AUDITS):
                yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        pool.close()
        doorbell.close()


def open_doorbell(redis_url: str) -> redis.Redis:
    """Return what tells the author, and followers of the stream, that there is news."""
    return redis.Redis.from_url(
        redis_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )


def check_standing(pool: ConnectionPool) -> str | None:
    """Say what keeps the chain from answering, if anything does."""
    with begin(pool) as conn:
        operations.load_head(conn)
        halt = sync_repository.load_halt(conn)
    return None if halt is None else f"it stopped following: {halt}"
