"""Refusals as Binance's clients know them: `{"code": -1121, "msg": "Invalid symbol."}`.

BinanceRefusal    400  a reason of `domain/refusals.py` or `parameters.py`
├── Unauthorised  401  the key is unknown or malformed
├── Overloaded    429  the engine's queue is full: try again later
├── Throttled     429  too much was asked; 418 while the address is banned
└── StatusUnknown 504  the engine stopped; whether the order exists is not known
"""

from typing import Any, Final

from exchange_service.domain.refusals import Reason
from taonet.kit.errors import Refusal

UNKNOWN_PATH: Final = Reason(-1020, "This operation is not supported.")
INVALID_SYMBOL: Final = Reason(-1121, "Invalid symbol.")
INVALID_INTERVAL: Final = Reason(-1120, "Invalid interval.")
UNKNOWN_ORDER: Final = Reason(-2013, "Order does not exist.")
BAD_KEY_FORMAT: Final = Reason(-2014, "API-key format invalid.")
REJECTED_KEY: Final = Reason(-2015, "Invalid API-key, IP, or permissions for action.")
INVALID_SIGNATURE: Final = Reason(-1022, "Signature for this request is not valid.")
STATUS_UNKNOWN: Final = Reason(
    -1007,
    "Timeout waiting for response from backend server. "
    "Send status unknown; execution status unknown.",
)
INVALID_LISTEN_KEY: Final = Reason(-1125, "This listenKey does not exist.")
QUEUE_FULL: Final = Reason(-1003, "Too many requests; the queue is full. Please try again later.")


class BinanceRefusal(Refusal):
    """A refusal in Binance's shape."""

    status = 400

    def __init__(self, reason: Reason, status: int | None = None) -> None:
        super().__init__(reason.message)
        self.reason = reason
        if status is not None:
            self.status = status

    @property
    def code(self) -> str:
        return str(self.reason.code)

    def as_json(self) -> dict[str, Any]:
        return {"code": self.reason.code, "msg": self.reason.message}


class Unauthorised(BinanceRefusal):
    status = 401


class Overloaded(BinanceRefusal):
    status = 429

    def __init__(self) -> None:
        super().__init__(QUEUE_FULL)


class Throttled(BinanceRefusal):
    """Too much; the header says after how many seconds to come back."""

    def __init__(self, code: int, message: str, status: int, wait_seconds: int) -> None:
        super().__init__(Reason(code, message), status)
        self.wait_seconds = wait_seconds


class StatusUnknown(BinanceRefusal):
    status = 504

    def __init__(self) -> None:
        super().__init__(STATUS_UNKNOWN)
