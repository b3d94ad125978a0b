"""What the books refuse.

Refusal
├── InvalidApiKey        401  no such key, or none that may be used any more
├── InsufficientBalance  402  the account holds less than the call may cost
├── SpendingCapReached   402  the key may not spend so much
├── InsufficientScope    403  the key is not for this
├── AlreadyMade          409  this idempotency key has its call
└── NoSuchKey            404  the account has no key of this id
"""

from taonet.kit.errors import Forbidden, NotFound, Refusal, Unauthenticated
from taonet.kit.money import format_tao


class InvalidApiKey(Unauthenticated):
    def __init__(self) -> None:
        super().__init__(
            "this API key is not known here, was revoked or has expired; make one with "
            "`taonet key new` and send it as `Authorization: Bearer <key>`"
        )


class InsufficientBalance(Refusal):
    """The answer says how to pay, so that a program can."""

    status = 402

    def __init__(self, available_rao: int, needed_rao: int, deposit_address: str) -> None:
        missing_rao = needed_rao - available_rao
        super().__init__(
            f"this call may cost {format_tao(needed_rao)} TAO, the account has "
            f"{format_tao(available_rao)}: send at least {format_tao(missing_rao)} TAO to "
            f"{deposit_address} (`taonet transfer`); TAO is bought on the exchange, TAOBTC",
            missing_rao=str(missing_rao),
            deposit_address=deposit_address,
        )


class SpendingCapReached(Refusal):
    status = 402

    def __init__(self, cap_rao: int, held_rao: int, needed_rao: int) -> None:
        super().__init__(
            f"this key may spend {format_tao(cap_rao)} TAO, has spent or reserved "
            f"{format_tao(held_rao)}, and this call may cost {format_tao(needed_rao)}: ask for a "
            "shorter answer, or make another key with `taonet key new`",
            cap_rao=str(cap_rao),
            held_rao=str(held_rao),
        )


class InsufficientScope(Forbidden):
    def __init__(self, scope: str) -> None:
        super().__init__(
            f"this key is not for {scope}: make one with `taonet key new --scope {scope}`"
        )


class AlreadyMade(Refusal):
    """The one call of this idempotency key is under way, or was answered."""

    def __init__(self, *, answered: bool) -> None:
        super().__init__(
            "the call with this Idempotency-Key was answered and paid, and its answer is not kept "
            "any more: use a new key to ask again"
            if answered
            else "the call with this Idempotency-Key is still under way; ask again in a moment"
        )
        self.answered = answered


class NoSuchKey(NotFound):
    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"this account has no key {key_id[:40]!r}; `taonet key list` shows those it has"
        )
