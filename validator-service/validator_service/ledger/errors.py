"""What the books refuse.

Refusal
├── InvalidApiKey        401  no such key
└── InsufficientBalance  402  the account holds less than the call may cost
"""

from taonet.kit.errors import Refusal, Unauthenticated
from taonet.kit.money import format_tao


class InvalidApiKey(Unauthenticated):
    def __init__(self) -> None:
        super().__init__(
            "this API key is not known here; make one with `taonet key new` and send it as "
            "`Authorization: Bearer <key>`"
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
