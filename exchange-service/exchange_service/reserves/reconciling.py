"""I4, all the time: each chain holds what the books say that its wallet account holds.

Only what is booked is compared. What a block did to our coins that is not booked yet is taken out
of what the chain holds: a deposit that waits for its confirmations, a payment on its way, the
chain's fee for it. What the chain holds beyond the books is nobody's, and no fault; what it holds
less is gone. A look can fall between two steps of the booking, so one that finds coins missing
says nothing until the next ones do, too.
"""

import threading
from typing import Final, NamedTuple

from psycopg_pool import ConnectionPool

from chain_service.client import ChainClient
from chain_service.events import Transferred
from chain_service.schemas import Block
from exchange_service.auditing import Holdings
from exchange_service.bitcoin import repository as bitcoin
from exchange_service.bitcoin.node import BitcoinNode
from exchange_service.domain.accounts import WALLETS
from exchange_service.domain.commands import Asset
from exchange_service.domain.exchange import Exchange
from exchange_service.engine import ANSWER_SECONDS, Engine
from exchange_service.formats import btc, tao
from exchange_service.funds import repository as funds
from exchange_service.funds.operations import Desk
from taonet.kit.db import begin
from taonet.kit.logging import get_logger

LOOK_SECONDS: Final = 20.0
"""Between two looks: each asks once for each address and each coin."""
LOOKS_SHORT: Final = 3
"""So many looks in a row must find coins missing."""
ATTEMPTS: Final = 5
"""How often a look is begun anew because books or chain moved under it."""
WRITERS: Final = {Asset.BTC: btc, Asset.TAO: tao}

log = get_logger(__name__)


class Unsettled(RuntimeError):
    """Nothing can be said: books or chain moved under every attempt to look."""

    def __init__(self) -> None:
        super().__init__("books or chain moved under each look")


class Look(NamedTuple):
    """What a chain holds of what is booked, and what the books say."""

    held: int
    booked: int


class Reconciler:
    """Looks at both chains and keeps count; what it finds is in `holdings`."""

    def __init__(
        self, engine: Engine, pool: ConnectionPool, desk: Desk, chain_url: str, holdings: Holdings
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._desk = desk
        self._chain_url = chain_url
        self._holdings = holdings
        self._short = dict.fromkeys(Asset, 0)

    def follow(self, stop: threading.Event) -> None:
        """Look now and then, until told to stop."""
        while not stop.is_set():
            try:
                self.look()
            except Exception as error:
                # A chain may be away; the age of the last comparison tells of it.
                log.warning("the chains' holdings could not be compared", error=str(error))
            stop.wait(LOOK_SECONDS)

    def look(self) -> None:
        """Compare both chains with the books once, and say what has been missing for a while."""
        sequence = self._engine.sequence
        looks: dict[Asset, Look] = {}
        if self._desk.node is not None:
            looks[Asset.BTC] = self._look_at_bitcoin(self._desk.node)
        if self._chain_url:
            with ChainClient(self._chain_url) as chain:
                looks[Asset.TAO] = self._look_at_tao(chain)
        self._holdings.take(self._judge(looks), sequence)

    def _judge(self, looks: dict[Asset, Look]) -> list[str]:
        faults = []
        for asset, (held, booked) in looks.items():
            self._short[asset] = self._short[asset] + 1 if held < booked else 0
            if self._short[asset] >= LOOKS_SHORT:
                write = WRITERS[asset]
                faults.append(
                    f"I4: the chain holds {write(held)} {asset}, the books say {write(booked)}"
                )
        return faults

    def _look_at_bitcoin(self, node: BitcoinNode) -> Look:
        for _ in range(ATTEMPTS):
            before = self._read_bitcoin_state(node)
            height, last, booked_sat = before
            held_sat = self._measure_sat(node, last + 1, height)
            if self._read_bitcoin_state(node) == before:
                return Look(held_sat, booked_sat)
        raise Unsettled

    def _read_bitcoin_state(self, node: BitcoinNode) -> tuple[int, int, int]:
        """Return the chain's height, the last one booked, and what the books say."""
        with begin(self._pool) as conn:
            last = bitcoin.find_last_block(conn)
        height = node.height()
        return height, last[0] if last else height, self._read_booked(Asset.BTC)

    def _measure_sat(self, node: BitcoinNode, first: int, last: int) -> int:
        """Return what our booked coins hold; those that leave in a block not booked yet do."""
        txids = [
            transaction["txid"]
            for height in range(first, last + 1)
            if (block_hash := node.block_hash(height)) is not None
            for transaction in node.block(block_hash)["tx"]
        ]
        with begin(self._pool) as conn:
            coins = bitcoin.list_held(conn)
            leaving = bitcoin.list_leaving(conn, txids)
        return sum(
            coin.amount_sat
            if (coin.txid, coin.vout) in leaving
            else node.output_sat(coin.txid, coin.vout)
            for coin in coins
        )

    def _look_at_tao(self, chain: ChainClient) -> Look:
        with begin(self._pool) as conn:
            given = funds.list_deposit_addresses(conn, Asset.TAO)
        own = {self._desk.signer.describe().tao, *given.values()}
        for _ in range(ATTEMPTS):
            before = self._read_tao_state(chain)
            height, next_height, booked_rao = before
            held_rao = sum(chain.account(address).free_rao for address in own)
            for number in range(next_height, height + 1):
                held_rao -= _sum_effects(chain.block(number), own)
            if self._read_tao_state(chain) == before:
                return Look(held_rao, booked_rao)
        raise Unsettled

    def _read_tao_state(self, chain: ChainClient) -> tuple[int, int, int]:
        """Return the chain's height, the next one to book, and what the books say."""
        with begin(self._pool) as conn:
            view = funds.load_chain_view(conn)
        height = chain.head().height
        return height, view.next_height if view else height + 1, self._read_booked(Asset.TAO)

    def _read_booked(self, asset: Asset) -> int:
        def ask(exchange: Exchange) -> int:
            return -exchange.accounts[WALLETS[asset]].free(asset)

        booked: int = self._engine.ask(ask).result(ANSWER_SECONDS)
        return booked


def _sum_effects(block: Block, own: set[str]) -> int:
    """Return what a block changed in what our addresses hold together."""
    changed = 0
    for event in block.events:
        if isinstance(event, Transferred):
            changed += event.amount_rao * ((event.receiver in own) - (event.sender in own))
    fees = (each.fee_rao for each in block.extrinsics if each.extrinsic.signer in own)
    return changed - sum(fees)
