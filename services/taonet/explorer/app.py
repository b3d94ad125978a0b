"""The explorer's application: wires settings, the picture of the network, and the pages."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from taonet.explorer import (
    account,
    blocks,
    dashboards,
    neurons,
    pages,
    playground,
    routes,
    searching,
    status,
    supply,
    trade,
)
from taonet.explorer.network import Network
from taonet.explorer.rendering import FOLDER, create_templates
from taonet.explorer.security import SecurityHeaders
from taonet.explorer.settings import ExplorerSettings
from taonet.kit import web
from taonet.kit.errors import Refusal


def create_app() -> FastAPI:
    settings = ExplorerSettings()
    app = web.create_app(
        "explorer", title="Taonet explorer", log_level=settings.log_level, lifespan=_run
    )
    app.state.settings = settings
    app.state.templates = create_templates()
    for error in (Refusal, HTTPException, RequestValidationError):
        app.add_exception_handler(error, pages.render_error)
    app.add_middleware(SecurityHeaders)
    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")
    for part in (pages, blocks, neurons, supply, searching, dashboards, status, routes):
        app.include_router(part.router)
    for part in (playground, account, trade):
        app.include_router(part.router)
    return app


@asynccontextmanager
async def _run(app: FastAPI) -> AsyncIterator[None]:
    network = Network(app.state.settings)
    app.state.network = network
    loops = (network.follow_chain, network.watch_market, network.watch_health)
    tasks = [asyncio.create_task(loop()) for loop in loops]
    tasks.append(asyncio.create_task(status.watch_audits(network)))
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await network.close()
