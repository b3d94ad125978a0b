"""Paying Servers on chain, each call once.

The intent is committed first, then the signed bytes, then they are sent; what became of them is
asked for until the chain tells. Killed anywhere, the next step goes on from the rows. The same
bytes may be sent twice, for a nonce is used once; others are signed only when the first can't be
included any more. Money lies on deposit addresses, and is swept to the treasury when it is needed.
"""

from dataclasses import dataclass
from typing import Any

from psycopg_pool import ConnectionPool

from chain_service.client import ChainClient, ChainRefusal
from chain_service.domain.encoding import hash_value
from chain_service.schemas import CALLS_PER_BATCH_MAX, Extrinsic, Receipt
from chain_service.signing import VALID_BLOCKS, sign_extrinsic
from taonet.kit.db import begin
from taonet.kit.keys import Keypair
from taonet.kit.logging import get_logger
from validator_service.domain.payouts import estimate_fee_rao
from validator_service.ledger import repository as books
from validator_service.ledger.deposits import derive_deposit_keypair, derive_treasury_keypair
from validator_service.payouts import refund_repository, repository
from validator_service.payouts.repository import Owed, Payment

REFUNDS_PER_BATCH_MAX = CALLS_PER_BATCH_MAX // 2
"""So that neither Servers nor consumers wait for ever for the others."""

log = get_logger(__name__)


@dataclass(frozen=True)
class Order:
    """What a payment asks of the chain, and whose signature it needs."""

    keypair: Keypair
    call: str
    arguments: dict[str, Any]


class Payer:
    """Brings payments forward; several may do so at once."""

    def __init__(
        self, chain: ChainClient, pool: ConnectionPool, seed: str, minimum_rao: int
    ) -> None:
        self.chain = chain
        self.pool = pool
        self.seed = seed
        self.minimum_rao = minimum_rao
        self.treasury = derive_treasury_keypair(seed)

    def open_payout(self) -> int | None:
        """Bind what is owed to a new payment, if the Validator's own money pays the fees."""
        parameters = self.chain.parameters()
        with begin(self.pool) as conn:
            refunds = refund_repository.count_waiting(conn, REFUNDS_PER_BATCH_MAX)
            owed = repository.list_owed(
                conn,
                self.minimum_rao,
                self.treasury.ss58_address,
                CALLS_PER_BATCH_MAX - refunds,
            )
            own_rao = own_funds_rao(books.sum_balances(conn))
        # Besides the batch, a sweep of each deposit may be needed for it; two are typical.
        fee_rao = estimate_fee_rao(
            len(owed) + refunds + 2, parameters.transfer_fee_rao, parameters.fee_rao_per_byte
        )
        if not owed and not refunds:
            return None
        if own_rao < fee_rao:
            log.info("payouts wait: the take does not cover the fees", own=own_rao, fee=fee_rao)
            return None
        return self._commit_intent(owed, refunds)

    def _commit_intent(self, owed: list[Owed], refunds: int) -> int | None:
        with begin(self.pool) as conn:
            payment_id = repository.add_payment(conn, "payout")
            if payment_id is None:
                return None
            for line in owed:
                repository.add_payout(conn, payment_id, line.receiver)
            refund_repository.bind_waiting(conn, payment_id, refunds)
        log.info("payout opened", payment=payment_id, servers=len(owed), refunds=refunds)
        return payment_id

    def advance(self) -> int:
        """Bring every open payment as far as it goes now; return how many were open."""
        with begin(self.pool) as conn:
            payments = repository.list_open(conn)
        for payment in payments:
            if payment.state == "signed":
                self._watch(payment)
            else:
                self._sign_and_send(payment)
        return len(payments)

    def _sign_and_send(self, payment: Payment) -> None:
        order = self._order(payment)
        if order is None:
            return
        head, account = self.chain.head(), self.chain.account(order.keypair.ss58_address)
        signed = sign_extrinsic(
            order.keypair,
            head.genesis_hash,
            account.nonce,
            head.height + VALID_BLOCKS,
            order.call,
            order.arguments,
        )
        extrinsic_hash = hash_value(signed.payload()).hex()
        body = signed.model_dump(mode="json")
        with begin(self.pool) as conn:
            stored = repository.save_signed(conn, payment.id, body, extrinsic_hash)
        if stored:
            self._send(payment.id, signed)

    def _watch(self, payment: Payment) -> None:
        """Ask what became of the bytes: book it, wait, send them again, or give them up."""
        assert payment.extrinsic_hash is not None
        signed = Extrinsic.model_validate(payment.extrinsic)
        # The height comes first: what arrives after it is not missed by both looks.
        height = self.chain.head().height
        receipt = find_receipt(self.chain, payment.extrinsic_hash)
        if receipt is None:
            if height > signed.last_valid_block:
                self._give_up(payment, "never arrived")
            else:
                self._send(payment.id, signed)
        elif receipt.status == "included":
            self._settle(payment, receipt)
        elif receipt.status == "failed":
            self._give_up(payment, receipt.error or "failed", receipt.fee_rao)
        elif receipt.status == "expired":
            self._give_up(payment, "expired")

    def _send(self, payment_id: int, signed: Extrinsic) -> None:
        try:
            extrinsic_hash = self.chain.send(signed)
        except ChainRefusal as refusal:
            # A nonce that another sending used, or a store that waits: the next look tells.
            log.warning("a payment was not taken", payment=payment_id, reason=str(refusal))
            return
        log.info("payment sent", payment=payment_id, extrinsic=extrinsic_hash)

    def _settle(self, payment: Payment, receipt: Receipt) -> None:
        with begin(self.pool) as conn:
            repository.book_fee(conn, receipt.hash, receipt.fee_rao)
            settled = repository.settle(conn, payment.id, receipt.hash, receipt.height)
        if settled:
            log.info("payment settled", payment=payment.id, kind=payment.kind)

    def _give_up(self, payment: Payment, reason: str, fee_rao: int = 0) -> None:
        assert payment.extrinsic_hash is not None
        with begin(self.pool) as conn:
            repository.book_fee(conn, payment.extrinsic_hash, fee_rao)
            repository.forget_signed(conn, payment.id, payment.extrinsic_hash)
        log.warning("a payment is signed anew", payment=payment.id, reason=reason)

    def _order(self, payment: Payment) -> Order | None:
        if payment.account_number is not None:
            keypair = derive_deposit_keypair(self.seed, payment.account_number)
            return Order(keypair, "transfer_all", {"receiver": self.treasury.ss58_address})
        with begin(self.pool) as conn:
            lines = repository.list_lines(conn, payment.id)
        needed_rao = sum(line.amount_rao for line in lines) + self._margin_rao(len(lines))
        if self.chain.account(self.treasury.ss58_address).free_rao < needed_rao:
            self._open_sweep()
            return None
        calls = [transfer_to(line) for line in lines]
        return Order(self.treasury, "batch", {"calls": calls})

    def _open_sweep(self) -> None:
        """Intend to sweep the richest deposit address; dust stays until more comes."""
        with begin(self.pool) as conn:
            found = repository.find_unswept(conn)
        if found is None:
            log.warning("the treasury holds too little for a payout, and nothing is to be swept")
            return
        number, through = found
        address = derive_deposit_keypair(self.seed, number).ss58_address
        worth_it = self.chain.account(address).free_rao > self._margin_rao(1)
        with begin(self.pool) as conn:
            if worth_it:
                repository.add_payment(conn, "sweep", number)
            repository.mark_swept(conn, number, through)

    def _margin_rao(self, transfers: int) -> int:
        """Return what so many transfers may cost, and what must stay on an account."""
        parameters = self.chain.parameters()
        fee_rao = estimate_fee_rao(
            transfers, parameters.transfer_fee_rao, parameters.fee_rao_per_byte
        )
        return fee_rao + 2 * parameters.existential_deposit_rao


def own_funds_rao(balances: dict[str, int]) -> int:
    """Return what is the Validator's own: its take and its capital, less the chain's fees."""
    return sum(balances.get(name, 0) for name in ("revenue", "capital", "fees"))


def transfer_to(line: Owed) -> dict[str, Any]:
    arguments = {"receiver": line.receiver, "amount_rao": str(line.amount_rao)}
    return {"call": "transfer", "arguments": arguments}


def find_receipt(chain: ChainClient, extrinsic_hash: str) -> Receipt | None:
    """Return what the chain knows of an extrinsic; None where it never saw it."""
    try:
        return chain.receipt(extrinsic_hash)
    except ChainRefusal as refusal:
        if refusal.code != "NoSuchExtrinsic":
            raise
        return None
