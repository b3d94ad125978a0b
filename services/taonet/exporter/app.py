"""The exporter's web application: `uvicorn --factory taonet.exporter.app:create_app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis
from fastapi import FastAPI
from psycopg_pool import ConnectionPool

from taonet.exporter.postgres import show_postgres
from taonet.exporter.queues import Queues, show_redis
from taonet.exporter.settings import ExporterSettings
from taonet.kit import web
from taonet.kit.db import begin, open_pool
from taonet.kit.exposition import Exposition

POOL_SIZE = 2
REDIS_SECONDS = 2.0


def create_app() -> FastAPI:
    settings = ExporterSettings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with (
            open_pool(settings.database_url, POOL_SIZE) as pool,
            redis.Redis.from_url(
                settings.redis_url, socket_timeout=REDIS_SECONDS, decode_responses=True
            ) as client,
        ):
            queues = Queues(client, settings.exporter_queues.split(","))
            app.state.read_state = lambda: read_stores(pool, client, queues)
            yield

    return web.create_app(
        "exporter", title="Taonet exporter", log_level=settings.log_level, lifespan=lifespan
    )


def read_stores(pool: ConnectionPool, client: redis.Redis, queues: Queues) -> str:
    """Return what both stores tell of themselves and of what waits in them."""
    page = Exposition()
    show_redis(client, page)
    queues.show(page)
    with begin(pool) as conn:
        show_postgres(conn, page)
    return str(page)
