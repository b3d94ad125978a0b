"""The node as a web application: the calls, and a miner that makes a block at every interval."""

import hashlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI
from psycopg_pool import ConnectionPool

from bitcoin_node import operations
from bitcoin_node.domain.transactions import COINBASE_MATURITY
from bitcoin_node.metrics import HEIGHT
from bitcoin_node.routes import router
from bitcoin_node.settings import NodeSettings
from bitcoin_node.wallet import NodeWallet
from taonet.kit.db import begin, open_pool
from taonet.kit.logging import get_logger
from taonet.kit.web import create_app as create_web_app

FIRST_BLOCKS: Final = COINBASE_MATURITY + 10
"""Mined at the very first start, so that the faucet has coins that can be spent."""
STOP_SECONDS: Final = 3.0
WALLET_SEED: Final = hashlib.sha256(b"taonet regtest faucet").digest()
"""Public: regtest's coins are worth nothing, and everybody may have them."""

log = get_logger(__name__)


def create_app(settings: NodeSettings | None = None) -> FastAPI:
    settings = settings or NodeSettings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool, wallet, stop = open_pool(settings.database_url), NodeWallet(WALLET_SEED), Stop()
        app.state.pool, app.state.wallet = pool, wallet
        app.state.login = f"{settings.bitcoin_rpc_user}:{settings.bitcoin_rpc_password}"
        app.state.fee_rate_min = settings.bitcoin_block_fee_rate
        prepare(pool, wallet)
        miner = threading.Thread(
            target=mine_until, args=(stop, pool, wallet, settings), name="miner", daemon=True
        )
        miner.start()
        yield
        stop.set()
        miner.join(STOP_SECONDS)
        pool.close()

    app = create_web_app("bitcoin", title="Regtest node", log_level=settings.log_level,
                         lifespan=lifespan)  # fmt: skip
    app.include_router(router)
    return app


Stop = threading.Event


def prepare(pool: ConnectionPool, wallet: NodeWallet) -> None:
    """Make genesis and the first blocks where there are none."""
    with begin(pool) as conn:
        operations.ensure_genesis(conn)
        wallet.ensure_address(conn)
    with begin(pool) as conn:
        tip = operations.tip_of(conn)
        first_s = 1_700_000_000
        for height in range(tip.height + 1, FIRST_BLOCKS + 1):
            operations.mine(conn, wallet.script(0), time_s=first_s + 600 * height)


def mine_until(
    stop: threading.Event, pool: ConnectionPool, wallet: NodeWallet, settings: NodeSettings
) -> None:
    """Make a block at every interval; a database that is away is waited for."""
    if not settings.bitcoin_block_seconds:
        return
    while not stop.wait(settings.bitcoin_block_seconds):
        try:
            with begin(pool) as conn:
                operations.mine(conn, wallet.script(0), settings.bitcoin_block_fee_rate)
                HEIGHT.set(operations.tip_of(conn).height)
        except Exception as error:
            log.warning("mining waits", error=str(error))
