"""Making proofs: balances from the engine, coins from the chains, signatures from the signer."""

import secrets
import threading
import time
from typing import Any, Final

from psycopg_pool import ConnectionPool

from chain_service.client import ChainClient
from exchange_service.bitcoin import repository as bitcoin
from exchange_service.domain.accounts import FIRST_ACCOUNT
from exchange_service.domain.commands import Asset
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.reserves import LiabilityTree
from exchange_service.engine import ANSWER_SECONDS, Engine
from exchange_service.funds import repository as funds
from exchange_service.funds.operations import Desk
from exchange_service.reserves.schemas import (
    ControlledAddress,
    HeldCoin,
    PathView,
    ReservesView,
    write_path,
)
from taonet.kit.db import begin
from taonet.kit.errors import NotFound

FRESH_SECONDS: Final = 10.0
"""A proof is shown again for so long, for each costs a signature per address."""
PROOFS_KEPT: Final = 20
"""So many past proofs can still be asked for a path."""
SECRET_BYTES: Final = 32


class Prover:
    """Makes proofs when asked, and remembers the last ones for the paths of their users."""

    def __init__(self, engine: Engine, pool: ConnectionPool, desk: Desk, chain_url: str) -> None:
        self._engine = engine
        self._pool = pool
        self._desk = desk
        self._chain_url = chain_url
        self._lock = threading.Lock()
        self._proofs: dict[str, tuple[ReservesView, LiabilityTree]] = {}

    def prove(self) -> ReservesView:
        """Return the latest proof, or a new one if it is old."""
        with self._lock:
            if self._proofs:
                view, _ = self._proofs[next(reversed(self._proofs))]
                if time.time() - view.created_ms / 1_000 < FRESH_SECONDS:
                    return view
            view, tree = self._make()
            self._proofs[view.root] = view, tree
            while len(self._proofs) > PROOFS_KEPT:
                del self._proofs[next(iter(self._proofs))]
            return view

    def measure_margin(self) -> tuple[int, int]:
        """Return satoshi and rao held above what users are owed; no proof is made of it."""
        held_sat = sum(coin.amount_sat for coin in self._list_coins())
        held_rao, _ = self._read_tao()
        _, balances = self._engine.ask(self._read_balances).result(ANSWER_SECONDS)
        owed_sat = sum(sat for sat, _ in balances.values())
        owed_rao = sum(rao for _, rao in balances.values())
        return held_sat - owed_sat, sum(held_rao.values()) - owed_rao

    def find_path(self, account_id: int, root: str) -> PathView:
        """Return an account's path in the proof of that root."""
        proof = self._proofs.get(root)
        if proof is None:
            raise NotFound("no proof has this root, or it is too old; ask for a new one")
        _, tree = proof
        leaf = tree.find_leaf(account_id)
        if leaf is None:
            raise NotFound("this account was opened after the proof was made; ask for a new one")
        return write_path(root, leaf, tree.find_path(account_id))

    def _make(self) -> tuple[ReservesView, LiabilityTree]:
        # What is held is read first: a deposit in between can only make it look smaller.
        coins = self._list_coins()
        held_rao, tao_height = self._read_tao()
        sequence, balances = self._engine.ask(self._read_balances).result(ANSWER_SECONDS)
        tree = LiabilityTree(balances, secrets.token_bytes(SECRET_BYTES))
        root = tree.root
        heights = self._read_bitcoin_height(), tao_height
        challenge = (
            f"{root.hash.hex()} {root.sat} {root.rao} journal {sequence}"
            f" bitcoin {heights[0]} tao {heights[1]}"
        )
        held = {**held_rao, **_sum_by_address(coins)}
        controls = [
            ControlledAddress(**one, amount=held.get(one["address"], 0))
            for one in (_as_fields(control) for control in self._desk.signer.prove(challenge))
        ]
        view = ReservesView(
            root=root.hash.hex(),
            users=len(tree),
            owed_sat=root.sat,
            owed_rao=root.rao,
            held_sat=sum(one.amount for one in controls if one.asset is Asset.BTC),
            held_rao=sum(one.amount for one in controls if one.asset is Asset.TAO),
            journal_sequence=sequence,
            bitcoin_height=heights[0],
            tao_height=heights[1],
            challenge=challenge,
            controls=controls,
            coins=coins,
            created_ms=time.time_ns() // 1_000_000,
        )
        return view, tree

    def _read_balances(self, exchange: Exchange) -> tuple[int, dict[int, tuple[int, int]]]:
        # In the engine's own thread, between two batches: sequence and balances belong together.
        return self._engine.sequence, {
            number: (account.free_sat + account.locked_sat, account.free_rao + account.locked_rao)
            for number, account in exchange.accounts.items()
            if number >= FIRST_ACCOUNT
        }

    def _list_coins(self) -> list[HeldCoin]:
        """Return our coins that the node itself knows as unspent."""
        node = self._desk.node
        if node is None:
            return []
        own = self._desk.signer.describe().btc
        with begin(self._pool) as conn:
            coins = bitcoin.list_held(conn)
            addresses = {0: own, **funds.list_deposit_addresses(conn, Asset.BTC)}
        return [
            HeldCoin(
                txid=coin.txid,
                vout=coin.vout,
                amount_sat=amount_sat,
                address=addresses[coin.account_id],
            )
            for coin in coins
            if (amount_sat := node.output_sat(coin.txid, coin.vout))
        ]

    def _read_tao(self) -> tuple[dict[str, int], int]:
        """Return what the chain holds for each of our addresses, and its height."""
        if not self._chain_url:
            return {}, 0
        with begin(self._pool) as conn:
            addresses = list(funds.list_deposit_addresses(conn, Asset.TAO).values())
        addresses.append(self._desk.signer.describe().tao)
        with ChainClient(self._chain_url) as chain:
            held = {address: chain.account(address).free_rao for address in addresses}
            return held, chain.head().height

    def _read_bitcoin_height(self) -> int:
        return self._desk.node.height() if self._desk.node is not None else 0


def _as_fields(control: Any) -> dict[str, Any]:
    names = ("asset", "address", "public_key", "signature")
    return {name: getattr(control, name) for name in names}


def _sum_by_address(coins: list[HeldCoin]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for coin in coins:
        sums[coin.address] = sums.get(coin.address, 0) + coin.amount_sat
    return sums
