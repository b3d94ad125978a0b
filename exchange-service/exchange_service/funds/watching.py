"""What runs beside the engine: for each chain, one thread that reads and one that pays."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from psycopg_pool import ConnectionPool

from chain_service.client import ChainClient
from exchange_service.bitcoin.deposits import BitcoinBookkeeper
from exchange_service.bitcoin.node import BitcoinNode
from exchange_service.bitcoin.withdrawals import BitcoinPayer
from exchange_service.domain.commands import Asset
from exchange_service.engine import Engine
from exchange_service.funds.deposits import Bookkeeper
from exchange_service.funds.operations import Desk
from exchange_service.funds.withdrawals import Payer
from exchange_service.settings import ExchangeSettings
from exchange_service.signer.client import Signing
from taonet.kit.logging import get_logger

PAUSE_SECONDS: Final = 1.0
"""Between two looks at what is to be paid."""
STOP_SECONDS: Final = 3.0
"""How long the end waits for the threads."""

log = get_logger(__name__)


def open_desk(settings: ExchangeSettings, signer: Signing) -> Desk:
    """Return what deposits and withdrawals stand on."""
    url = settings.bitcoin_url
    return Desk(
        signer,
        BitcoinNode(url, settings.bitcoin_cookie_file) if url else None,
        settings.payout_rules(),
        {
            Asset.TAO: settings.exchange_withdrawal_fee_rao,
            Asset.BTC: settings.exchange_withdrawal_fee_sat,
        },
        {
            Asset.TAO: settings.exchange_deposit_confirmations,
            Asset.BTC: settings.exchange_bitcoin_confirmations,
        },
        settings.bitcoin_faucet_wallet,
        settings.exchange_bitcoin_unlock_confirmations,
    )


@contextmanager
def watching_chains(
    settings: ExchangeSettings, engine: Engine, pool: ConnectionPool, desk: Desk
) -> Iterator[None]:
    """Run the threads for as long as the block lasts."""
    stop = threading.Event()
    # Daemons: one that waits for the next block when the process ends loses nothing by it.
    threads = [
        threading.Thread(target=work, args=(stop,), name=name, daemon=True)
        for name, work in _list_work(settings, engine, pool, desk)
    ]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join(STOP_SECONDS)


def _list_work(
    settings: ExchangeSettings, engine: Engine, pool: ConnectionPool, desk: Desk
) -> Iterator[tuple[str, Callable[[threading.Event], None]]]:
    def read_tao(stop: threading.Event) -> None:
        with ChainClient(settings.chain_url) as chain:
            bookkeeper = Bookkeeper(chain, engine, pool, desk.signer)
            bookkeeper.follow(desk.confirmations[Asset.TAO], stop)

    def pay_tao(stop: threading.Event) -> None:
        with ChainClient(settings.chain_url) as chain:
            repeat(Payer(chain, engine, pool, desk.signer, desk.rules).step, stop)

    if settings.chain_url:
        yield "read TAO", read_tao
        yield "pay TAO", pay_tao
    if desk.node is not None:
        bookkeeper = BitcoinBookkeeper(
            desk.node,
            engine,
            pool,
            desk.signer,
            desk.confirmations[Asset.BTC],
            desk.unlock(Asset.BTC),
        )
        yield "read BTC", bookkeeper.follow
        payer = BitcoinPayer(desk.node, pool, desk.signer, desk.rules)
        yield "pay BTC", partial(repeat, payer.step)


def repeat(step: Callable[[], None], stop: threading.Event) -> None:
    """Take steps until told to stop; one that fails is taken again."""
    while not stop.wait(PAUSE_SECONDS):
        try:
            step()
        except Exception as error:
            if not stop.is_set():
                work = threading.current_thread().name
                log.warning("it waits", work=work, error=str(error))
