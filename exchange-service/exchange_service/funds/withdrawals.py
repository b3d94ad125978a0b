"""Paying withdrawals from the hot wallet, each once: sign, store, send; the bookkeeper settles.

One payment is on its way at a time, so the hot wallet's nonces never wait for each other. Before
anything is sent its bytes are stored; after a crash the same bytes are sent again, and a nonce can
be in the chain only once. Deposits are swept into the hot wallet first.
"""

import threading
from collections.abc import Mapping
from typing import Any, Final, Protocol

from psycopg_pool import ConnectionPool

from chain_service.client import ChainRefusal
from chain_service.schemas import Account, Extrinsic, Head, Parameters, Receipt
from chain_service.signing import VALID_BLOCKS, sign_extrinsic
from exchange_service.funds import repository
from exchange_service.funds.repository import Withdrawal
from exchange_service.funds.wallet import Wallet
from taonet.kit.db import begin
from taonet.kit.keys import Keypair
from taonet.kit.logging import get_logger

PAUSE_SECONDS: Final = 1.0
EXTRINSIC_BYTES_MAX: Final = 2_000
"""A transfer's size, generously: for what it may cost."""

log = get_logger(__name__)


class PayingChain(Protocol):
    """What is needed of `chain_service.client.ChainClient`."""

    def head(self) -> Head: ...

    def parameters(self) -> Parameters: ...

    def account(self, address: str) -> Account: ...

    def send(self, extrinsic: Extrinsic) -> str: ...

    def receipt(self, extrinsic_hash: str) -> Receipt: ...

    def execute(self, keypair: Keypair, call: str, arguments: Mapping[str, Any]) -> Receipt: ...


class Payer:
    """Works off withdrawals, oldest first."""

    def __init__(self, chain: PayingChain, pool: ConnectionPool, wallet: Wallet) -> None:
        self._chain = chain
        self._pool = pool
        self._wallet = wallet

    def pay(self, stop: threading.Event) -> None:
        """Pay until told to stop; whatever fails is tried again."""
        while not stop.wait(PAUSE_SECONDS):
            try:
                self.step()
            except Exception as error:
                if not stop.is_set():
                    log.warning("paying waits", error=str(error))

    def step(self) -> None:
        """Sweep what came in, then bring the oldest withdrawal one step further."""
        self._sweep()
        with begin(self._pool) as conn:
            withdrawal = repository.find_next_withdrawal(conn)
        if withdrawal is None:
            return
        if withdrawal.status == "requested":
            signed = self._sign(withdrawal)
            if signed is None:
                return
        else:
            signed = Extrinsic.model_validate(withdrawal.extrinsic)
            if self._is_known(withdrawal):
                return
        self._send(withdrawal.withdrawal_id, signed)

    def _sign(self, withdrawal: Withdrawal) -> Extrinsic | None:
        """Sign the payment and store it; None while the hot wallet holds too little."""
        account, head = self._chain.account(self._wallet.address), self._chain.head()
        sent_rao = withdrawal.amount - withdrawal.fee
        if account.free_rao < sent_rao + self._margin_rao():
            log.warning("the hot wallet holds too little", withdrawal=withdrawal.withdrawal_id)
            return None
        signed = sign_extrinsic(
            self._wallet.hot,
            head.genesis_hash,
            account.nonce,
            head.height + VALID_BLOCKS,
            "transfer",
            {"receiver": withdrawal.address, "amount_rao": str(sent_rao)},
        )
        with begin(self._pool) as conn:
            payload = signed.model_dump(mode="json")
            repository.save_payment(conn, withdrawal.withdrawal_id, payload)
        return signed

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

    def _sweep(self) -> None:
        """Move what lies on deposit addresses to the hot wallet; dust stays for the next time."""
        with begin(self._pool) as conn:
            due = repository.list_sweeps_due(conn)
        for account_id in due:
            key = self._wallet.deposit_key(account_id)
            if self._chain.account(key.ss58_address).free_rao > self._margin_rao():
                self._chain.execute(key, "transfer_all", {"receiver": self._wallet.address})
            with begin(self._pool) as conn:
                repository.mark_swept(conn, account_id)

    def _margin_rao(self) -> int:
        """Return what a transfer may cost, and what must stay on an account."""
        parameters = self._chain.parameters()
        fee_rao = parameters.transfer_fee_rao + EXTRINSIC_BYTES_MAX * parameters.fee_rao_per_byte
        return fee_rao + 2 * parameters.existential_deposit_rao
