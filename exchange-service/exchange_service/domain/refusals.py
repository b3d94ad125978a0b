"""Why the exchange says no: Binance's codes and texts, to the letter, for clients match on them."""

from typing import Final, NamedTuple


class Reason(NamedTuple):
    """One refusal as Binance words it."""

    code: int
    message: str


def filter_failure(name: str) -> Reason:
    """Return the refusal of an order that breaks the named filter of `exchangeInfo`."""
    return Reason(-1013, f"Filter failure: {name}")


PRICE_FILTER: Final = filter_failure("PRICE_FILTER")
LOT_SIZE: Final = filter_failure("LOT_SIZE")
NOTIONAL: Final = filter_failure("NOTIONAL")
MAX_NUM_ORDERS: Final = filter_failure("MAX_NUM_ORDERS")

INSUFFICIENT_BALANCE: Final = Reason(
    -2010, "Account has insufficient balance for requested action."
)
WOULD_TAKE: Final = Reason(-2010, "Order would immediately match and take.")
DUPLICATE_ORDER: Final = Reason(-2010, "Duplicate order sent.")
UNKNOWN_ACCOUNT: Final = Reason(-2010, "This account may not place or cancel orders.")
UNKNOWN_ORDER: Final = Reason(-2011, "Unknown order sent.")

# An amendment may only make an order smaller: anything else is a new order at the end of the queue.
AMEND_NOT_SMALLER: Final = Reason(-2038, "The requested action would change no state; rejecting.")

ACCOUNT_EXISTS: Final = Reason(-4001, "An account of this name or number exists already.")
DEPOSIT_KNOWN: Final = Reason(-4002, "This block's event has been booked already.")
DUPLICATE_WITHDRAWAL: Final = Reason(-4026, "A withdrawal with this withdrawOrderId exists.")
UNKNOWN_WITHDRAWAL: Final = Reason(-4027, "There is no pending withdrawal with this id.")
