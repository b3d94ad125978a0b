"""What each request weighs, by Binance's table, and ours: an address has 6,000 a minute."""

from collections.abc import Callable, Mapping
from typing import Final

Asked = Mapping[str, str]
"""A request's parameters by name, unchecked."""
Weight = int | Callable[[Asked], int]

DEPTH_WEIGHTS: Final = ((100, 5), (500, 25), (1_000, 50), (5_000, 250))
"""(levels up to, weight)"""
DEFAULT: Final = 1
DIGITS_MAX: Final = 18
"""What has more is no number to any route, and refused there."""


def weigh_depth(asked: Asked) -> int:
    text = asked.get("limit", "")
    is_number = len(text) <= DIGITS_MAX and text.isascii() and text.isdigit()
    limit = int(text) if is_number else 100
    return next((weight for levels, weight in DEPTH_WEIGHTS if limit <= levels), 250)


def by_symbol(one: int, many: int) -> Callable[[Asked], int]:
    """Weigh a question about one symbol, and one about all of them."""
    return lambda asked: one if "symbol" in asked or "symbols" in asked else many


def by_order(one: int, many: int) -> Callable[[Asked], int]:
    """Weigh a question about one order's trades, and one about any."""
    return lambda asked: one if "orderId" in asked else many


def weigh_test(asked: Asked) -> int:
    return 20 if asked.get("computeCommissionRates") == "true" else 1


WEIGHTS: Final[dict[tuple[str, str], Weight]] = {
    ("GET", "/api/v3/ping"): 1,
    ("GET", "/api/v3/time"): 1,
    ("GET", "/api/v3/exchangeInfo"): 20,
    ("GET", "/api/v3/depth"): weigh_depth,
    ("GET", "/api/v3/trades"): 25,
    ("GET", "/api/v3/historicalTrades"): 25,
    ("GET", "/api/v3/aggTrades"): 4,
    ("GET", "/api/v3/klines"): 2,
    ("GET", "/api/v3/uiKlines"): 2,
    ("GET", "/api/v3/avgPrice"): 2,
    ("GET", "/api/v3/ticker/24hr"): by_symbol(2, 80),
    ("GET", "/api/v3/ticker/tradingDay"): 4,
    ("GET", "/api/v3/ticker/price"): by_symbol(2, 4),
    ("GET", "/api/v3/ticker/bookTicker"): by_symbol(2, 4),
    ("GET", "/api/v3/ticker"): 4,
    ("POST", "/api/v3/order/test"): weigh_test,
    ("GET", "/api/v3/order"): 4,
    ("GET", "/api/v3/openOrders"): by_symbol(6, 80),
    ("GET", "/api/v3/allOrders"): 20,
    ("GET", "/api/v3/orderList"): 4,
    ("GET", "/api/v3/allOrderList"): 20,
    ("GET", "/api/v3/openOrderList"): 6,
    ("PUT", "/api/v3/order/amend/keepPriority"): 4,
    ("GET", "/api/v3/order/amendments"): 4,
    ("GET", "/api/v3/account"): 20,
    ("GET", "/api/v3/account/commission"): 20,
    ("GET", "/api/v3/myTrades"): by_order(5, 20),
    ("GET", "/api/v3/myPreventedMatches"): by_order(20, 2),
    ("GET", "/api/v3/rateLimit/order"): 40,
    ("POST", "/exchange/v1/keys"): 20,
    ("GET", "/exchange/v1/audit"): 20,
    ("GET", "/exchange/v1/reserves"): 20,
    ("GET", "/exchange/v1/reserves/path"): 5,
    ("POST", "/api/v3/userDataStream"): 2,
    ("PUT", "/api/v3/userDataStream"): 2,
    ("DELETE", "/api/v3/userDataStream"): 2,
}


FREE: Final = frozenset(
    {
        *(("POST", "/api/v3/order"), ("DELETE", "/api/v3/order"), ("DELETE", "/api/v3/openOrders")),
        *(("POST", "/api/v3/orderList/oco"), ("DELETE", "/api/v3/orderList")),
        ("POST", "/api/v3/order/cancelReplace"),
    }
)
"""Orders placed and cancelled: what succeeds weighs nothing after all, as at Binance."""


def find_weight(method: str, path: str, asked: Asked) -> int:
    """Return what a request weighs; what the table leaves out weighs 1."""
    weight = WEIGHTS.get((method, path), DEFAULT)
    return weight if isinstance(weight, int) else weight(asked)
