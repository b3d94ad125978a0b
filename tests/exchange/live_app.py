"""The exchange with one more door: TAO without a chain, which only tests may have."""

import time

from fastapi import FastAPI, Request

from exchange_service import app
from exchange_service.domain.commands import Asset, CreditDeposit
from exchange_service.engine import execute

RAO_PER_TAO = 10**9


def create_app() -> FastAPI:
    application = app.create_app()

    @application.post("/test/credit")
    async def credit(request: Request, account_id: int, tao: int) -> dict[str, int]:
        # The height only has to grow.
        height, amount = time.time_ns() // 1_000, tao * RAO_PER_TAO
        command = CreditDeposit(0, account_id, Asset.TAO, amount, height, 0, "somewhere", "x")
        await execute(request.app.state.engine, command)
        return {"tao": tao}

    return application
