"""Giving a balance back: taken from the books at once, sent with the next batch of payouts."""

from dataclasses import dataclass

from psycopg import Connection

from taonet.kit.errors import Refusal
from taonet.kit.money import format_tao
from validator_service.domain.payouts import estimate_fee_rao
from validator_service.payouts import refund_repository

TRANSFERS = 3
"""What a refund alone may need: a sweep, another one, and the transfer itself."""


@dataclass(frozen=True)
class Fees:
    """What the chain asks, as far as refunds depend on it."""

    transfer_fee_rao: int
    fee_rao_per_byte: int
    existential_deposit_rao: int

    def refund_rao(self) -> int:
        """Return what a refund costs the account that asks for it, as others' money must not."""
        return estimate_fee_rao(TRANSFERS, self.transfer_fee_rao, self.fee_rao_per_byte)


class NothingToRefund(Refusal):
    """The account holds less than asked, or too little to be sent."""


def request_refund(conn: Connection, address: str, wanted_rao: int | None, fees: Fees) -> int:
    """
    Take a part of a balance, or all that no call holds, to send it to the account's address.

    The chain's fee is part of the amount. Returns the refund's id.
    """
    available_rao = refund_repository.find_available(conn, address)
    taken_rao = available_rao if wanted_rao is None else wanted_rao
    fee_rao = fees.refund_rao()
    if taken_rao > available_rao:
        raise NothingToRefund(
            f"the account has {format_tao(available_rao)} TAO that no call holds: ask for less, "
            "or wait until the calls under way are over",
            available_rao=str(available_rao),
        )
    if taken_rao - fee_rao < max(fees.existential_deposit_rao, 1):
        raise NothingToRefund(
            f"after the chain's fee of {format_tao(fee_rao)} TAO less than the chain's least "
            f"balance of {format_tao(fees.existential_deposit_rao)} TAO would arrive",
            available_rao=str(available_rao),
        )
    return refund_repository.add_refund(conn, address, taken_rao - fee_rao, fee_rao)
