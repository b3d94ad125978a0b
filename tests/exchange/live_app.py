"""The exchange with one more door: TAO without a chain, which only tests may have."""

import time

from fastapi import Request

from exchange_service import app
from exchange_service.domain.commands import Asset, CreditDeposit
from exchange_service.engine import execute
from exchange_service.gate import Gate
from exchange_service.settings import ExchangeSettings
from exchange_service.signer.operations import Signer
from exchange_service.signer.wallet import Wallet
from taonet.kit.db import open_pool

RAO_PER_TAO = 10**9
SEED = b"a seed for tests, of thirty-two b"[:32]


def create_app() -> Gate:
    settings = ExchangeSettings()
    # The signer in this process: what the exchange asks over HTTP elsewhere.
    signer = Signer(open_pool(settings.database_url, 3), Wallet(SEED), settings.payout_rules())
    application = app.create_app(settings, app.exit_soon, signer)

    @application.app.post("/test/credit")
    async def credit(request: Request, account_id: int, tao: int) -> dict[str, int]:
        # The height only has to grow.
        height, amount = time.time_ns() // 1_000, tao * RAO_PER_TAO
        command = CreditDeposit(0, account_id, Asset.TAO, amount, height, 0, "somewhere", "x")
        await execute(request.app.state.engine, command)
        return {"tao": tao}

    return application
