"""The one market, TAOBTC: its units, its filters, and the limits every order is held to."""

from typing import Final

SYMBOL: Final = "TAOBTC"
BASE: Final = "TAO"
QUOTE: Final = "BTC"

SAT_PER_BTC: Final = 100_000_000
RAO_PER_TAO: Final = 1_000_000_000

# With T satoshi per tick and S rao per step, the quote of every trade is a whole number of satoshi
# if and only if T × S is a multiple of 10⁹ (rao per TAO). So no trade ever rounds; only fees do.
TICK_SAT: Final = 100
STEP_RAO: Final = 10_000_000

PRICE_SAT_MIN: Final = TICK_SAT
PRICE_SAT_MAX: Final = 100 * SAT_PER_BTC
QUANTITY_RAO_MIN: Final = STEP_RAO
QUANTITY_RAO_MAX: Final = 1_000_000 * RAO_PER_TAO
NOTIONAL_SAT_MIN: Final = 1_000
NOTIONAL_SAT_MAX: Final = 10_000 * SAT_PER_BTC
OPEN_ORDERS_MAX: Final = 200
"""Open orders one account may have at a time (filter MAX_NUM_ORDERS)."""
STOP_ORDERS_MAX: Final = 20
"""Stop orders of one account that may wait at a time (filter MAX_NUM_ALGO_ORDERS)."""
ORDER_LISTS_MAX: Final = 20
"""Open order lists of one account (filter MAX_NUM_ORDER_LISTS)."""
ICEBERG_ORDERS_MAX: Final = 20
"""Open icebergs of one account (filter MAX_NUM_ICEBERG_ORDERS)."""
ORDER_AMENDS_MAX: Final = 10
"""How often one order may be amended (filter MAX_NUM_ORDER_AMENDS)."""
POSITION_RAO_MAX: Final = 21_000_000 * RAO_PER_TAO
"""The TAO that one account may hold and bid for (filter MAX_POSITION): all that there will be."""
ICEBERG_PARTS_MAX: Final = 100
"""In how many slices an iceberg may show itself (filter ICEBERG_PARTS)."""
DEADLINE_MS_MAX: Final = 24 * 60 * 60 * 1_000
"""The longest dead man's switch."""

# The price band (filter PERCENT_PRICE_BY_SIDE), in times the last price; none before the first
# trade. The side on which a slip of the finger costs money is narrow, the other one wide. Orders
# at any price keep to the narrow side too: no command moves the price by more than this.
BID_MULTIPLIER_UP: Final = 2
BID_DIVISOR_DOWN: Final = 10
ASK_MULTIPLIER_UP: Final = 10
ASK_DIVISOR_DOWN: Final = 2

PPM: Final = 1_000_000
"""Fee rates are integers, in parts per million of the quote."""

assert TICK_SAT * STEP_RAO % RAO_PER_TAO == 0


def calculate_quote_sat(price_sat: int, quantity_rao: int) -> int:
    """Return what `quantity_rao` costs at `price_sat` per TAO: price × quantity / 10⁹, exact."""
    return price_sat * quantity_rao // RAO_PER_TAO
