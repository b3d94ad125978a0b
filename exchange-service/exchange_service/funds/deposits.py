"""Following the chain: every confirmed block is booked once, and in order.

What a block means for the exchange are three things: deposits to its addresses, the outcome of its
own payments, and what the chain charged it. Each is a command to the engine that counts once by
itself, so a crash between two of them is mended by looking through the same block again.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Final, Protocol

from psycopg_pool import ConnectionPool

from chain_service.events import Transferred
from chain_service.schemas import Block, Head, IncludedExtrinsic
from exchange_service.domain.commands import (
    Asset,
    Command,
    CreditDeposit,
    FailWithdrawal,
    RecordNetworkFee,
    SettleWithdrawal,
)
from exchange_service.domain.facts import Fact
from exchange_service.engine import ANSWER_SECONDS, Engine
from exchange_service.funds import deposit_repository, repository
from exchange_service.funds.deposit_repository import Pending
from exchange_service.funds.repository import ChainView
from exchange_service.metrics import CHAIN_HEIGHT
from exchange_service.signer.client import Signing
from taonet.kit.db import begin
from taonet.kit.logging import get_logger

FEE_INDEX: Final = 2**31 - 1
"""Where a block's network fee stands among its events: after all."""
RETRY_SECONDS: Final = 2.0

log = get_logger(__name__)


class OtherChain(RuntimeError):
    """The chain, or the wallet, is not the one whose deposits are booked here."""


class FollowedChain(Protocol):
    """What is needed of `chain_service.client.ChainClient`."""

    def head(self) -> Head: ...

    def blocks(self, from_height: int) -> Iterator[Block]: ...


class Bookkeeper:
    """Books blocks: one at a time, each at its depth of confirmations."""

    def __init__(
        self, chain: FollowedChain, engine: Engine, pool: ConnectionPool, signer: Signing
    ) -> None:
        self._chain = chain
        self._engine = engine
        self._pool = pool
        self._signer = signer
        self._hot_address = ""

    def follow(self, confirmations: int, stop: threading.Event) -> None:
        """Book every block until told to stop; whatever fails is tried again."""
        while not stop.is_set():
            try:
                self._follow(confirmations, stop)
            except OtherChain as error:
                log.critical("DEPOSITS ARE NOT FOLLOWED", reason=str(error))
                return
            except Exception as error:
                if not stop.is_set():
                    log.warning("following the chain begins anew", error=str(error))
                stop.wait(RETRY_SECONDS)

    def _follow(self, confirmations: int, stop: threading.Event) -> None:
        unconfirmed: deque[Block] = deque()
        for block in self._chain.blocks(self._load_next_height()):
            if stop.is_set():
                return
            self.see(block)
            unconfirmed.append(block)
            if len(unconfirmed) >= confirmations:
                self.book(unconfirmed.popleft())

    def _load_next_height(self) -> int:
        """Return the first block to look at, of the chain that was followed before."""
        genesis_hash, hot_address = self._chain.head().genesis_hash, self._signer.describe().tao
        with begin(self._pool) as conn:
            view = repository.load_chain_view(conn)
            if view is None:
                view = ChainView(hot_address, genesis_hash, 0)
                repository.insert_chain_view(conn, view)
        if view.genesis_hash != genesis_hash:
            raise OtherChain(f"expected genesis {view.genesis_hash}, the chain has {genesis_hash}")
        if view.wallet_address != hot_address:
            raise OtherChain(
                f"the hot wallet is {view.wallet_address}, the signer's seed gives {hot_address}; "
                "restore the seed file that belongs to this database"
            )
        self._hot_address = hot_address
        return view.next_height

    def see(self, block: Block) -> None:
        """Show the deposits of a block that waits for its confirmations."""
        now_ms = time.time_ns() // 1_000_000
        with begin(self._pool) as conn:
            deposit_repository.save_tip(conn, Asset.TAO, block.height)
            deposit_repository.insert_pending(conn, self._list_deposits(block), now_ms)

    def book(self, block: Block) -> None:
        """Book one block: credit, settle, charge; then note that it is done."""
        credited = self._credit_deposits(block)
        self._close_payments(block)
        self._record_fees(block)
        with begin(self._pool) as conn:
            deposit_repository.remove_pending(conn, Asset.TAO, block.height)
            repository.mark_for_sweep(conn, credited)
            repository.drop_expired_payments(conn, block.height)
            repository.save_next_height(conn, block.height + 1)
        CHAIN_HEIGHT.set(block.height + 1)

    def _credit_deposits(self, block: Block) -> list[int]:
        deposits = self._list_deposits(block)
        for one in deposits:
            self._apply(
                CreditDeposit(
                    0,
                    one.account_id,
                    Asset.TAO,
                    one.amount,
                    one.height,
                    one.event_index,
                    one.address,
                    one.transaction_id,
                )
            )
        return sorted({one.account_id for one in deposits})

    def _list_deposits(self, block: Block) -> list[Pending]:
        transfers = [event for event in block.events if isinstance(event, Transferred)]
        accounts = self._find_accounts([transfer.receiver for transfer in transfers])
        return [
            Pending(
                Asset.TAO,
                block.height,
                transfer.index,
                accounts[transfer.receiver],
                transfer.amount_rao,
                transfer.receiver,
                _name_transaction(block, transfer),
            )
            for transfer in transfers
            if transfer.receiver in accounts
        ]

    def _close_payments(self, block: Block) -> None:
        for included in block.extrinsics:
            if included.extrinsic.signer != self._hot_address:
                continue
            with begin(self._pool) as conn:
                payment = repository.find_signed_withdrawal(conn, included.extrinsic.nonce)
            if payment is not None:
                number = payment.withdrawal_id
                paid = included.status == "included"
                self._apply(SettleWithdrawal(0, number) if paid else FailWithdrawal(0, number))

    def _record_fees(self, block: Block) -> None:
        own = {self._hot_address}
        own.update(self._find_accounts([each.extrinsic.signer for each in block.extrinsics]))
        fee_rao = sum(each.fee_rao for each in block.extrinsics if each.extrinsic.signer in own)
        if fee_rao:
            self._apply(RecordNetworkFee(0, Asset.TAO, fee_rao, block.height, FEE_INDEX))

    def _find_accounts(self, addresses: list[str]) -> dict[str, int]:
        if not addresses:
            return {}
        with begin(self._pool) as conn:
            return repository.find_deposit_accounts(conn, addresses)

    def _apply(self, command: Command) -> None:
        # A rejection says that this was booked before a crash: all is well.
        answer: Future[list[Fact]] = self._engine.submit(command)
        answer.result(ANSWER_SECONDS)


def _name_transaction(block: Block, transfer: Transferred) -> str:
    """Return the hash of the extrinsic behind a transfer; the block's own has none."""
    if transfer.extrinsic_index is None:
        return f"{block.height}-{transfer.index}"
    extrinsic: IncludedExtrinsic = block.extrinsics[transfer.extrinsic_index]
    return extrinsic.hash
