"""Paying withdrawals from the hot wallet, each once: sign, store, send; the bookkeeper settles.

One payment is on its way at a time, so the hot wallet's nonces never wait for each other. Before
anything is sent its bytes are stored; after a crash the same bytes are sent again, and a nonce can
be in the chain only once. Deposits stay on their addresses until the hot wallet needs them.

A withdrawal that the signer refuses, or that the hot wallet can't pay yet, holds up no other: the
next one gets its turn, and this one again after a while.
"""

import time
from typing import Final, Protocol

from psycopg_pool import ConnectionPool

from chain_service.client import ChainRefusal
from chain_service.schemas import Account, Extrinsic, Head, Parameters, Receipt
from chain_service.signing import VALID_BLOCKS
from exchange_service.domain.commands import Asset, FailWithdrawal
from exchange_service.domain.payout import PayoutRules, calculate_due_ms
from exchange_service.engine import ANSWER_SECONDS, Engine
from exchange_service.funds import repository
from exchange_service.funds.repository import Withdrawal
from exchange_service.signer.client import Signing
from exchange_service.signer.schemas import ChainPlace
from taonet.kit.db import begin
from taonet.kit.errors import Refusal, Unavailable
from taonet.kit.logging import get_logger

EXTRINSIC_BYTES_MAX: Final = 2_000
"""A transfer's size, generously: for what it may cost."""
RETRY_SECONDS: Final = 60.0
"""How long a withdrawal that could not be signed waits: many of them must not cost each step."""

log = get_logger(__name__)


class PayingChain(Protocol):
    """What is needed of `chain_service.client.ChainClient`."""

    def head(self) -> Head: ...

    def parameters(self) -> Parameters: ...

    def account(self, address: str) -> Account: ...

    def send(self, extrinsic: Extrinsic) -> str: ...

    def receipt(self, extrinsic_hash: str) -> Receipt: ...

    def wait(self, extrinsic_hash: str) -> Receipt: ...


class Payer:
    """Works off withdrawals of TAO, oldest first, but for those that can't be paid yet."""

    def __init__(
        self,
        chain: PayingChain,
        engine: Engine,
        pool: ConnectionPool,
        signer: Signing,
        rules: PayoutRules,
    ) -> None:
        self._chain = chain
        self._engine = engine
        self._pool = pool
        self._signer = signer
        self._rules = rules
        self._retry_at: dict[int, float] = {}
        """When a withdrawal that could not be signed is tried again."""

    def step(self) -> None:
        """Send what is signed; if nothing is, sign and send the oldest withdrawal that can be."""
        self.finish_cancellations()
        with begin(self._pool) as conn:
            pending = repository.list_pending_withdrawals(conn, Asset.TAO)
        waiting = {one.withdrawal_id for one in pending}
        self._retry_at = {key: at for key, at in self._retry_at.items() if key in waiting}
        for withdrawal in pending:
            if withdrawal.status == "signed":
                # The next one is signed once this nonce is in the chain, or never will be.
                if not self._is_known(withdrawal):
                    signed = Extrinsic.model_validate(withdrawal.extrinsic)
                    self._send(withdrawal.withdrawal_id, signed)
                return
            if self._is_due(withdrawal) and (new := self._sign(withdrawal)) is not None:
                self._send(withdrawal.withdrawal_id, new)
                return

    def finish_cancellations(self) -> None:
        """Tell the engine of withdrawals that were taken back, also after a crash in between."""
        with begin(self._pool) as conn:
            cancelling = repository.list_cancelling(conn)
        for withdrawal_id in cancelling:
            self._engine.submit(FailWithdrawal(0, withdrawal_id)).result(ANSWER_SECONDS)

    def _is_due(self, withdrawal: Withdrawal) -> bool:
        due_ms = calculate_due_ms(
            self._rules, Asset.TAO, withdrawal.amount, withdrawal.requested_ms
        )
        retry_at = self._retry_at.get(withdrawal.withdrawal_id, 0.0)
        return time.time_ns() // 1_000_000 >= due_ms and time.monotonic() >= retry_at

    def _sign(self, withdrawal: Withdrawal) -> Extrinsic | None:
        """Have the payment signed and stored; None: it can't be for now, and others may."""
        number, address = withdrawal.withdrawal_id, self._signer.describe().tao
        needed_rao = withdrawal.amount - withdrawal.fee + self._margin_rao()
        self._gather(address, needed_rao)
        if self._chain.account(address).free_rao < needed_rao:
            self._put_off(number, "the hot wallet holds too little")
            return None
        place = self._find_place(address)
        try:
            return self._signer.sign_tao(number, place)
        except Refusal as refusal:
            if refusal.status == Unavailable.status:
                raise  # Who does not answer has refused nothing.
            self._put_off(number, str(refusal))
            return None

    def _put_off(self, withdrawal_id: int, reason: str) -> None:
        log.warning("not signed", withdrawal=withdrawal_id, reason=reason)
        self._retry_at[withdrawal_id] = time.monotonic() + RETRY_SECONDS

    def _find_place(self, address: str) -> ChainPlace:
        """Return what the next extrinsic of an address must say of the chain."""
        account, head = self._chain.account(address), self._chain.head()
        return ChainPlace(
            genesis_hash=head.genesis_hash,
            nonce=account.nonce,
            last_valid_block=head.height + VALID_BLOCKS,
        )

    def _is_known(self, withdrawal: Withdrawal) -> bool:
        """Tell whether the chain has the payment: then there is nothing to do but wait."""
        if withdrawal.extrinsic_hash is None:
            return False
        try:
            return self._chain.receipt(withdrawal.extrinsic_hash).status != "expired"
        except ChainRefusal:
            return False

    def _send(self, withdrawal_id: int, signed: Extrinsic) -> None:
        try:
            extrinsic_hash = self._chain.send(signed)
        except ChainRefusal as refusal:
            if refusal.code != "WrongNonce":
                raise
            # Sent before a crash: the chain has it, and its block will settle it.
            log.info("withdrawal was sent before", withdrawal=withdrawal_id)
            return
        with begin(self._pool) as conn:
            repository.save_payment_hash(conn, withdrawal_id, extrinsic_hash)
        log.info("withdrawal sent", withdrawal=withdrawal_id, extrinsic=extrinsic_hash)

    def _gather(self, hot_address: str, needed_rao: int) -> None:
        """Sweep deposits into the hot wallet until it holds enough; the rest stays where it is.

        Not before: every sweep costs a fee, which only a withdrawal's own fee makes up for.
        """
        margin_rao = self._margin_rao()
        lacking_rao = needed_rao - self._chain.account(hot_address).free_rao
        if lacking_rao <= 0:
            return
        with begin(self._pool) as conn:
            due = repository.list_sweeps_due(conn)
        held = [
            (self._chain.account(address).free_rao, account_id, address)
            for account_id, address in due
        ]
        for free_rao, account_id, address in sorted(held, reverse=True):
            if lacking_rao <= 0 or free_rao <= margin_rao:
                return
            signed = self._signer.sign_sweep(account_id, self._find_place(address))
            if self._chain.wait(self._chain.send(signed)).status != "included":
                return
            lacking_rao -= free_rao - margin_rao
            with begin(self._pool) as conn:
                repository.mark_swept(conn, account_id)

    def _margin_rao(self) -> int:
        """Return what a transfer may cost, and what must stay on an account."""
        parameters = self._chain.parameters()
        fee_rao = parameters.transfer_fee_rao + EXTRINSIC_BYTES_MAX * parameters.fee_rao_per_byte
        return fee_rao + 2 * parameters.existential_deposit_rao
