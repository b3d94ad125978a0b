"""Why the exchange says no: Binance's codes and texts, to the letter, for clients match on them."""

from typing import Final, NamedTuple


class Reason(NamedTuple):
    """One refusal as Binance words it."""

    code: int
    message: str


def filter_failure(name: str) -> Reason:
    """Return the refusal of an order that breaks the named filter of `exchangeInfo`."""
    return Reason(-1013, f"Filter failure: {name}")


TOO_LATE: Final = Reason(-1021, "Timestamp for this request is outside of the recvWindow.")
PRICE_FILTER: Final = filter_failure("PRICE_FILTER")
LOT_SIZE: Final = filter_failure("LOT_SIZE")
NOTIONAL: Final = filter_failure("NOTIONAL")
PERCENT_PRICE_BY_SIDE: Final = filter_failure("PERCENT_PRICE_BY_SIDE")
ICEBERG_PARTS: Final = filter_failure("ICEBERG_PARTS")
MAX_NUM_ORDERS: Final = filter_failure("MAX_NUM_ORDERS")
MAX_NUM_ALGO_ORDERS: Final = filter_failure("MAX_NUM_ALGO_ORDERS")
MAX_NUM_ORDER_LISTS: Final = filter_failure("MAX_NUM_ORDER_LISTS")
MAX_NUM_ICEBERG_ORDERS: Final = filter_failure("MAX_NUM_ICEBERG_ORDERS")
MAX_POSITION: Final = filter_failure("MAX_POSITION")

INSUFFICIENT_BALANCE: Final = Reason(
    -2010, "Account has insufficient balance for requested action."
)
WOULD_TAKE: Final = Reason(-2010, "Order would immediately match and take.")
WOULD_TRIGGER: Final = Reason(-2010, "Order would trigger immediately.")
ICEBERG_EXCEEDS: Final = Reason(-2010, "IcebergQty exceeds QTY.")
UNSUPPORTED_COMBINATION: Final = Reason(-2010, "Unsupported order combination")
NO_LIQUIDITY: Final = Reason(
    -2010, "Order book liquidity is less than LOT_SIZE filter minimum quantity."
)
PAIR_PRICES: Final = Reason(-2010, "The relationship of the prices for the orders is not correct.")
DUPLICATE_ORDER: Final = Reason(-2010, "Duplicate order sent.")
DUPLICATE_LIST: Final = Reason(-2010, "Duplicate order list sent.")
UNKNOWN_ACCOUNT: Final = Reason(-2010, "This account may not place or cancel orders.")
UNKNOWN_ORDER: Final = Reason(-2011, "Unknown order sent.")
RESTRICTED: Final = Reason(-2011, "Order was not canceled due to cancel restrictions.")
CANCEL_REPLACE_PARTIALLY_FAILED: Final = Reason(-2021, "Order cancel-replace partially failed.")
CANCEL_REPLACE_FAILED: Final = Reason(-2022, "Order cancel-replace failed.")

# An amendment may only make an order smaller: anything else is a new order at the end of the queue.
AMEND_LARGER: Final = Reason(-2038, "Order amend (quantity increase) is not supported.")
AMEND_NOT_SMALLER: Final = Reason(-2038, "The requested action would change no state; rejecting.")
MAX_NUM_ORDER_AMENDS: Final = Reason(-2038, "Filter failure: MAX_NUM_ORDER_AMENDS")
AMEND_OF_A_LEG: Final = Reason(-2039, "An order of an order list cannot be amended.")

DEADLINE_TOO_FAR: Final = Reason(-1130, "Data sent for parameter 'countdownTime' is not valid.")
INVALID_FEE: Final = Reason(-4004, "A fee rate is a whole number of millionths, 0 to 1000000.")
NOTHING_DUE: Final = Reason(-4003, "No deadline has passed.")
ACCOUNT_EXISTS: Final = Reason(-4001, "An account of this name or number exists already.")
DEPOSIT_KNOWN: Final = Reason(-4002, "This block's event has been booked already.")
DEPOSIT_LOCKED: Final = Reason(
    -4015, "Withdraw is limited: a deposit of BTC waits for its second depth of confirmations."
)
OWES_SHORTFALL: Final = Reason(
    -4015, "Withdraw is limited: a deposit that the account has spent was reorganised away."
)
DEPOSIT_UNKNOWN: Final = Reason(-4002, "No such deposit is credited.")
NO_SHORTFALL: Final = Reason(-4003, "Nothing is owed, or nothing is there to make it up.")
INSUFFICIENT_FUNDS: Final = Reason(-4026, "You have insufficient balance.")
DUPLICATE_WITHDRAWAL: Final = Reason(-4115, "Another withdrawal has this withdrawOrderId.")
UNKNOWN_WITHDRAWAL: Final = Reason(-4027, "There is no pending withdrawal with this id.")
