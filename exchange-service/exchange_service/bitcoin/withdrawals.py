"""Paying withdrawals of BTC, each once: plan, sign and store, send; the bookkeeper settles.

The signer stores a payment before anybody can send it. After a crash the same bytes are sent
again. A payment that waits too long is made dearer; all its versions spend the same coins, so the
chain takes one of them at most.
"""

import time
from typing import Final

from psycopg_pool import ConnectionPool

from exchange_service.bitcoin import repository
from exchange_service.bitcoin.node import BitcoinNode, NodeRefusal
from exchange_service.bitcoin.repository import Requested, SentPayment
from exchange_service.domain.commands import Asset
from exchange_service.domain.payout import PayoutRules, calculate_due_ms
from exchange_service.domain.spending import FEE_RATE_MAX, plan_payment
from exchange_service.signer.client import Signing
from exchange_service.signer.schemas import Outpoint
from taonet.kit.db import begin
from taonet.kit.errors import Refusal
from taonet.kit.logging import get_logger

BUMP_BLOCKS: Final = 6
"""So many blocks a payment waits before it is made dearer."""

log = get_logger(__name__)


class BitcoinPayer:
    """Works off withdrawals of BTC."""

    def __init__(
        self, node: BitcoinNode, pool: ConnectionPool, signer: Signing, rules: PayoutRules
    ) -> None:
        self._node = node
        self._pool = pool
        self._signer = signer
        self._rules = rules

    def step(self) -> None:
        """Bring every withdrawal one step further; none while coins are missing."""
        with begin(self._pool) as conn:
            missing = repository.list_missing(conn)
            requested = repository.list_requested(conn)
            unmined = repository.list_unmined(conn)
        height = self._node.height() if requested or unmined else 0
        for payment in unmined:
            self._push(payment, height)
        if missing and requested:
            log.error("no BTC is paid out while credited coins are missing", coins=len(missing))
            return
        for withdrawal in requested:
            self._sign_and_send(withdrawal, height)

    def _sign_and_send(self, withdrawal: Requested, height: int) -> None:
        due_ms = calculate_due_ms(
            self._rules, Asset.BTC, withdrawal.amount, withdrawal.requested_ms
        )
        if time.time_ns() // 1_000_000 < due_ms:
            return
        with begin(self._pool) as conn:
            coins = repository.list_spendable(conn, height)
        sent_sat = withdrawal.amount - withdrawal.fee
        plan = plan_payment(coins, sent_sat, self._node.fee_rate())
        if plan is None:
            log.warning("the wallet holds too little BTC", withdrawal=withdrawal.withdrawal_id)
            return
        outpoints = [Outpoint(txid=coin.txid, vout=coin.vout) for coin in plan.coins]
        try:
            payment = self._signer.sign_bitcoin(
                withdrawal.withdrawal_id, outpoints, plan.fee_sat, height
            )
        except Refusal as refusal:
            log.warning("not signed", withdrawal=withdrawal.withdrawal_id, reason=str(refusal))
            return
        self._send(payment.withdrawal_id, payment.txid, payment.raw)

    def _push(self, payment: SentPayment, height: int) -> None:
        """Send a payment that the node has lost; make one dearer that waits too long."""
        if not self._node.knows(payment.txid):
            self._send(payment.withdrawal_id, payment.txid, payment.raw)
        elif height - payment.signed_height >= BUMP_BLOCKS:
            self._bump(payment, height)

    def _bump(self, payment: SentPayment, height: int) -> None:
        rate = min(max(self._node.fee_rate(), -(-2 * payment.fee_sat // payment.virtual_bytes)),
                   FEE_RATE_MAX)  # fmt: skip
        fee_sat = rate * payment.virtual_bytes
        if fee_sat <= payment.fee_sat:
            return
        try:
            dearer = self._signer.bump_bitcoin(payment.withdrawal_id, fee_sat, height)
        except Refusal as refusal:
            log.warning("not made dearer", withdrawal=payment.withdrawal_id, reason=str(refusal))
            return
        self._send(dearer.withdrawal_id, dearer.txid, dearer.raw)

    def _send(self, withdrawal_id: int, txid: str, raw: str) -> None:
        try:
            if not self._node.send(raw):
                return
        except NodeRefusal as refusal:
            # An older version may have been mined: then its own block settles it.
            log.warning("the node refuses a payment", withdrawal=withdrawal_id, reason=str(refusal))
            return
        with begin(self._pool) as conn:
            repository.save_transaction_id(conn, withdrawal_id, txid)
        log.info("withdrawal of BTC sent", withdrawal=withdrawal_id, transaction=txid)
