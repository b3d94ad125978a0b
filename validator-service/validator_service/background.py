"""What the gateway's process does besides answering: join the chain, follow deposits, sweep."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg_pool import ConnectionPool

from chain_service.client import ChainClient
from taonet.kit.db import begin
from taonet.kit.keys import Keypair
from taonet.kit.logging import get_logger
from validator_service.gateway.context import Gateway
from validator_service.ledger import repository
from validator_service.ledger.deposits import DepositFollower
from validator_service.membership import (
    Announcement,
    ensure_announced,
    ensure_registered,
    load_coldkey_address,
)
from validator_service.settings import ValidatorSettings

LOOK_SECONDS = 30.0
"""Time between two looks for our place on the chain."""
LOOKS_PER_RESERVATION = 3
"""How often, before a reservation would end, it is said that its call is under way."""
JOIN_RETRY_SECONDS = 2.0

log = get_logger(__name__)


@contextmanager
def running_beside(
    settings: ValidatorSettings,
    pool: ConnectionPool,
    hotkey: Keypair,
    treasury: str,
    gateway: Gateway,
) -> Iterator[None]:
    """Keep the gateway's threads for the time of a block."""
    ending = threading.Event()
    deposits = DepositFollower(pool, settings.chain_url, treasury)
    steward = threading.Thread(
        target=keep_house, args=(settings, pool, hotkey, ending), name="steward", daemon=True
    )
    seconds = settings.validator_reservation_seconds
    keeper = threading.Thread(
        target=keep_reservations,
        args=(pool, gateway, seconds, ending),
        name="keeper",
        daemon=True,
    )
    for thread in (deposits, steward, keeper):
        thread.start()
    try:
        yield
    finally:
        ending.set()
        deposits.stop()


def keep_reservations(
    pool: ConnectionPool, gateway: Gateway, seconds: float, ending: threading.Event
) -> None:
    """Hold the money of our own calls, and free what a gateway held that is no more."""
    while not ending.wait(seconds / LOOKS_PER_RESERVATION):
        try:
            with begin(pool) as conn:
                repository.keep_alive(conn, gateway.under_way(), seconds)
                repository.release_expired(conn)
        except Exception as error:
            log.warning("reservations wait", reason=f"{type(error).__name__}: {error}")


def keep_house(
    settings: ValidatorSettings, pool: ConnectionPool, hotkey: Keypair, ending: threading.Event
) -> None:
    chain = ChainClient(settings.chain_url)
    coldkey = load_coldkey_address(settings.wallet_path, settings.wallet_name)
    announcement = Announcement(
        settings.validator_name, settings.validator_axon_ip, settings.validator_axon_port
    )
    while not ending.is_set():
        pause = LOOK_SECONDS
        try:
            if ensure_registered(pool, chain, hotkey, coldkey) is None:
                pause = JOIN_RETRY_SECONDS
            ensure_announced(chain, hotkey, announcement)
        except Exception as error:
            if not ending.is_set():
                log.warning("waiting to join", reason=f"{type(error).__name__}: {error}")
            pause = JOIN_RETRY_SECONDS
        ending.wait(pause)
