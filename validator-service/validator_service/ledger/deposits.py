"""Where money comes in: addresses of the gateway's own, and a thread that watches them."""

import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path

from bittensor_wallet import Keypair
from psycopg_pool import ConnectionPool

from chain_service.client import ChainClient
from chain_service.events import Transferred
from chain_service.schemas import Block
from taonet.kit.db import begin
from taonet.kit.logging import get_logger
from validator_service.ledger import operations, repository
from validator_service.ledger.operations import Deposit

SEED_FILE = "deposit_seed"
SEED_BYTES = 32
CURSOR_BLOCKS = 30
"""Blocks without deposits between two notes of how far was read: reading twice does no harm."""
RETRY_SECONDS = 2.0

log = get_logger(__name__)


def load_seed(wallet_path: str, wallet_name: str, hotkey_name: str) -> str:
    """
    Read the secret that all deposit addresses come from; make it at the very first start.

    It lies in the wallet's folder, because whoever has it has the deposits. Each hotkey has its
    own: two Validators of one wallet with one secret would both credit a deposit to either.
    """
    folder = Path(wallet_path).expanduser() / wallet_name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{SEED_FILE}.{hotkey_name}"
    if not path.exists():
        # Until now a wallet had one for all; with it go the deposits of the one who takes it.
        with suppress(FileNotFoundError):
            os.rename(folder / SEED_FILE, path)
    if not path.exists():
        # Whole or not at all: gateway and worker may both be at their first start.
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(SEED_BYTES))
        with suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    return path.read_text().strip()


def derive_deposit_keypair(seed: str, number: int) -> Keypair:
    """Return the key of an account's deposit address: hard derivation, so one tells no other."""
    return Keypair.create_from_uri(f"0x{seed}//{number}")


def derive_treasury_keypair(seed: str) -> Keypair:
    """Return the key of the address that deposits are swept to and Servers are paid from."""
    return Keypair.create_from_uri(f"0x{seed}//treasury")


class DepositFollower(threading.Thread):
    """Reads every block of the chain in order, and credits what reached a deposit address."""

    def __init__(self, pool: ConnectionPool, chain_url: str, treasury: str) -> None:
        super().__init__(name="deposits", daemon=True)
        self.pool = pool
        self.treasury = treasury
        self.chain = ChainClient(chain_url)
        self.ending = threading.Event()

    def run(self) -> None:
        while not self.ending.is_set():
            try:
                self.follow()
            except Exception as error:
                if not self.ending.is_set():
                    log.warning("waiting for deposits", reason=f"{type(error).__name__}: {error}")
            self.ending.wait(RETRY_SECONDS)

    def follow(self) -> None:
        with begin(self.pool) as conn:
            height = repository.load_cursor(conn)
        for block in self.chain.blocks(from_height=height + 1):
            if self.ending.is_set():
                return
            self.credit(block)

    def credit(self, block: Block) -> None:
        deposits = [
            Deposit(block.height, event.index, event.sender, event.receiver, event.amount_rao)
            for event in block.events
            if isinstance(event, Transferred)
        ]
        if not deposits and block.height % CURSOR_BLOCKS:
            return
        with begin(self.pool) as conn:
            credited = operations.credit_deposits(conn, block.height, deposits, self.treasury)
        for deposit in credited:
            log.info("deposit credited", height=deposit.height, amount_rao=deposit.amount_rao)

    def stop(self) -> None:
        self.ending.set()
        self.chain.close()
