"""The signer as a process: `uvicorn --factory exchange_service.signer.app:create_app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI

from exchange_service.settings import SignerSettings
from exchange_service.signer.operations import Signer
from exchange_service.signer.routes import router
from exchange_service.signer.vault import ensure_seed
from exchange_service.signer.wallet import Wallet
from taonet.kit.db import open_pool
from taonet.kit.web import create_app as create_web_app

CONNECTIONS_MAX: Final = 3


def create_app(settings: SignerSettings | None = None) -> FastAPI:
    settings = settings or SignerSettings()
    wallet = Wallet(ensure_seed(settings.wallet_seed_path(), settings.exchange_wallet_passphrase))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = open_pool(settings.database_url, CONNECTIONS_MAX)
        app.state.signer = Signer(pool, wallet, settings.payout_rules())
        app.state.token = settings.exchange_signer_token
        yield
        pool.close()

    app = create_web_app(
        "exchange-signer", title="Exchange signer", log_level=settings.log_level, lifespan=lifespan
    )
    app.include_router(router)
    return app
