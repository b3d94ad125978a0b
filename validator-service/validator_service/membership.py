"""Being a neuron: registered by work once, announced where the gateway is."""

from dataclasses import asdict, dataclass
from pathlib import Path

from bittensor_wallet import Wallet
from psycopg_pool import ConnectionPool

from chain_service.client import ChainClient
from taonet.kit.db import begin
from taonet.kit.keys import Keypair
from taonet.kit.logging import get_logger
from validator_service import repository

log = get_logger(__name__)


@dataclass(frozen=True)
class Announcement:
    """What the chain shows of this Validator."""

    name: str
    ip: str
    port: int


def load_coldkey_address(path: str, name: str) -> str:
    """Read who owns the hotkey from the wallet's public half: no password, no secret."""
    address: str = Wallet(name=name, path=str(Path(path).expanduser())).coldkeypub.ss58_address
    return address


def ensure_registered(
    pool: ConnectionPool, chain: ChainClient, hotkey: Keypair, coldkey_address: str
) -> int | None:
    """
    Return this hotkey's uid, working for one where it has none.

    None while another process of this Validator is at it.
    """
    known = chain.metagraph().find(hotkey.ss58_address)
    if known is not None:
        return known.uid
    with begin(pool) as conn:
        if not repository.try_lock_joining(conn):
            return None
        log.info("registering by work", hotkey=hotkey.ss58_address)
        uid = chain.register_by_work(hotkey, coldkey_address)
    log.info("registered", uid=uid)
    return uid


def ensure_announced(chain: ChainClient, hotkey: Keypair, announcement: Announcement) -> None:
    """Tell the chain where the gateway is, unless it knows."""
    neuron = chain.metagraph().find(hotkey.ss58_address)
    if neuron is None:
        return
    axon = neuron.axon
    shown = (neuron.name, axon.ip, axon.port) if axon else None
    if shown != (announcement.name, announcement.ip, announcement.port):
        chain.execute(
            hotkey,
            "serve_axon",
            asdict(announcement),
        )
        log.info("announced", **asdict(announcement))
