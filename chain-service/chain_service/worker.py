"""
The author, or a follower, as a process: `python -m chain_service.worker`.

With the word `resume` it lets a follower that stopped try the block again.
"""

import hashlib
import signal
import sys
import threading
from dataclasses import replace

import psycopg
import redis
from prometheus_client import Gauge

from chain_service.author import OtherChain, write_blocks
from chain_service.domain.blocks import InvariantBroken
from chain_service.domain.errors import InvalidParameters
from chain_service.domain.parameters import ChainParameters, choose_parameters
from chain_service.doorbell import Doorbell
from chain_service.follower import Halted, OtherAuthor, follow_chain, resume, wait_for_resume
from chain_service.sealed import read_trusted
from chain_service.settings import ChainSettings
from taonet.kit.db import WIRE, open_pool
from taonet.kit.errors import Malformed, Refusal
from taonet.kit.keys import Keypair, load_hotkey
from taonet.kit.logging import configure_logging, get_logger
from taonet.kit.metrics import serve_metrics
from taonet.kit.outbox import relay_until
from taonet.kit.tracing import configure_tracing

RELAY_CONNECTIONS = 2
WRONG_SETTINGS, BROKEN_LEDGER = 2, 3
"""Exit codes: nothing that a restart would mend."""
HALTED = Gauge("taonet_chain_halted", "1: this follower stopped at a wrong block.")

log = get_logger(__name__)


def main() -> int:
    """Write blocks and relay them, or follow another chain's, until SIGTERM or SIGINT."""
    settings = ChainSettings()
    configure_logging(
        "chain-follower" if settings.chain_follow else "chain-author", settings.log_level
    )
    if sys.argv[1:] == ["resume"]:
        return _resume(settings)
    serve_metrics(settings.metrics_listen)
    configure_tracing("chain-author", settings.traces_endpoint)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if settings.chain_follow:
        # It mostly waits for the next block: that must not hold up its end.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))
        return _follow(settings, stop)
    client = redis.Redis.from_url(settings.redis_url)
    with open_pool(settings.database_url, RELAY_CONNECTIONS) as pool:
        relay = threading.Thread(target=relay_until, args=(stop, pool, client), name="relay")
        relay.start()
        try:
            return _write(settings, client, stop)
        finally:
            stop.set()
            relay.join()


class NoKey(Refusal):
    """There is no key to sign blocks with."""


def _load_key(settings: ChainSettings) -> Keypair:
    wallet, hotkey = settings.wallet_name, settings.hotkey_name
    try:
        return load_hotkey(settings.wallet_path, wallet, hotkey)
    except Exception as error:
        raise NoKey(
            f"the author signs its blocks by the hotkey {hotkey!r} of the wallet {wallet!r} in "
            f"{settings.wallet_path}, which can't be read ({error}); make it: taonet wallet new"
        ) from None


def _resume(settings: ChainSettings) -> int:
    with psycopg.connect(settings.database_url, **WIRE) as conn:
        log.info("the follower may go on" if resume(conn) else "the follower had not stopped")
    return 0


def _follow(settings: ChainSettings, stop: threading.Event) -> int:
    author, leader = settings.chain_follow_author, settings.chain_follow
    try:
        trusted = read_trusted(settings.chain_follow_trusted)
        while not stop.is_set():
            try:
                follow_chain(settings.database_url, leader, author, stop, trusted)
            except Halted as refusal:
                _stay_stopped(settings.database_url, refusal.message, stop)
    except (OtherAuthor, Malformed) as refusal:
        log.error("the follower refuses to start", reason=refusal.message)
        return WRONG_SETTINGS
    except InvariantBroken as error:
        log.critical("THE LEDGER IS BROKEN, the follower stops", reason=str(error))
        return BROKEN_LEDGER
    return 0


def _stay_stopped(database_url: str, reason: str, stop: threading.Event) -> None:
    """Live on, so that whoever watches is told, until the operator has looked."""
    log.critical(
        "THE FOLLOWED CHAIN IS WRONG, the follower stops and stays stopped",
        reason=reason,
        then="find out why; to try the block again: python -m chain_service.worker resume",
    )
    HALTED.set(1)
    wait_for_resume(database_url, stop)
    HALTED.set(0)


def _choose_parameters(settings: ChainSettings) -> ChainParameters:
    changed = settings.chain_parameters
    if path := settings.chain_tokenizer_path:
        try:
            fixed = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise InvalidParameters(f"the network's tokenizer can't be read: {error}") from None
        changed = {"tokenizer_sha256": fixed, **changed}
    return choose_parameters(settings.chain_preset, changed)


def _write(settings: ChainSettings, client: redis.Redis, stop: threading.Event) -> int:
    try:
        keypair = _load_key(settings)
        parameters = replace(_choose_parameters(settings), author=keypair.ss58_address)
        write_blocks(settings.database_url, Doorbell(client), parameters, keypair, stop)
    except (OtherChain, InvalidParameters, NoKey) as refusal:
        log.error("the author refuses to start", reason=refusal.message)
        return WRONG_SETTINGS
    except InvariantBroken as error:
        log.critical("THE LEDGER IS BROKEN, the author stops", reason=str(error))
        return BROKEN_LEDGER
    return 0


if __name__ == "__main__":
    sys.exit(main())
