"""What a careful market maker quotes: both sides of a fair price, leaning against its inventory."""

from typing import Final, NamedTuple

from exchange_service.domain.commands import Side
from exchange_service.domain.symbol import (
    NOTIONAL_SAT_MIN,
    PPM,
    STEP_RAO,
    TICK_SAT,
    calculate_quote_sat,
)

LEVELS: Final = 5
"""Prices quoted on each side."""
HALF_SPREAD_PPM: Final = 2_000
"""From the centre to the best quote, 0.2 %: twice the fee, so that a round trip pays."""
LEVEL_PPM: Final = 1_500
"""From one level to the next, 0.15 %."""
SKEW_PPM_MAX: Final = 3_000
"""How far the centre moves when the maker holds nothing but one of the two."""
LEVEL_SHARE: Final = 12
"""One level offers a twelfth of what the maker holds."""
LEVEL_RAO_MAX: Final = 5_000_000_000
REVERSION_PPM: Final = 10_000
"""The fair price comes back by 1 % of its distance to the anchor at every step."""


class Quote(NamedTuple):
    side: Side
    price_sat: int
    quantity_rao: int


def drift_fair(fair_sat: int, anchor_sat: int, noise_ppm: int) -> int:
    """Return the next fair price: fair × (1 + noise) + reversion × (anchor − fair)."""
    moved_sat = fair_sat + fair_sat * noise_ppm // PPM
    return max(TICK_SAT, moved_sat + (anchor_sat - fair_sat) * REVERSION_PPM // PPM)


def calculate_skew_ppm(fair_sat: int, holds_rao: int, holds_sat: int) -> int:
    """Return how much the centre is above the fair price: below it with too much TAO in hand.

    skew = maximum × (1 − 2 × share of TAO in the holdings' value)
    """
    tao_sat = calculate_quote_sat(fair_sat, holds_rao)
    whole_sat = tao_sat + holds_sat
    return SKEW_PPM_MAX * (whole_sat - 2 * tao_sat) // whole_sat if whole_sat else 0


def plan_quotes(fair_sat: int, holds_rao: int, holds_sat: int) -> list[Quote]:
    """Return the orders that should stand in the book, best first on each side."""
    skew_ppm = calculate_skew_ppm(fair_sat, holds_rao, holds_sat)
    centre_sat = fair_sat + fair_sat * skew_ppm // PPM
    quotes = []
    for level in range(LEVELS):
        distance_ppm = HALF_SPREAD_PPM + level * LEVEL_PPM
        ask_sat = -(-centre_sat * (PPM + distance_ppm) // PPM // TICK_SAT) * TICK_SAT
        bid_sat = centre_sat * (PPM - distance_ppm) // PPM // TICK_SAT * TICK_SAT
        if bid_sat < TICK_SAT:
            continue
        quotes.append(Quote(Side.SELL, ask_sat, _size(holds_rao)))
        affordable_rao = holds_sat * 1_000_000_000 // bid_sat
        quotes.append(Quote(Side.BUY, bid_sat, _size(affordable_rao)))
    return [quote for quote in quotes if _is_worth_it(quote)]


def _size(holds_rao: int) -> int:
    return min(holds_rao // LEVEL_SHARE, LEVEL_RAO_MAX) // STEP_RAO * STEP_RAO


def _is_worth_it(quote: Quote) -> bool:
    return calculate_quote_sat(quote.price_sat, quote.quantity_rao) >= NOTIONAL_SAT_MIN
