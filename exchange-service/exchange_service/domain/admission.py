"""May this order enter, how much of it is meant, and what must be locked for it."""

from exchange_service.domain.accounts import Account
from exchange_service.domain.book import BUY, Order, OrderBook
from exchange_service.domain.commands import Kind, PlaceOrder
from exchange_service.domain.matching import calculate_fillable
from exchange_service.domain.refusals import LOT_SIZE, NOTIONAL, PRICE_FILTER, Reason
from exchange_service.domain.symbol import (
    NOTIONAL_SAT_MAX,
    NOTIONAL_SAT_MIN,
    PRICE_SAT_MAX,
    PRICE_SAT_MIN,
    QUANTITY_RAO_MAX,
    QUANTITY_RAO_MIN,
    STEP_RAO,
    TICK_SAT,
    calculate_fee_sat,
    calculate_gross_sat,
    calculate_quote_sat,
)


def check_terms(terms: PlaceOrder, last_price_sat: int) -> Reason | None:
    """Return the filter that the order breaks, in Binance's order of checking, or None.

    A market order by quantity has no price of its own: its notional is taken at the last trade's
    price (`avgPriceMins` 0), and not at all before the first trade.
    """
    if terms.kind is not Kind.MARKET and (
        not PRICE_SAT_MIN <= terms.price_sat <= PRICE_SAT_MAX or terms.price_sat % TICK_SAT
    ):
        return PRICE_FILTER
    if terms.quote_sat:
        return None if NOTIONAL_SAT_MIN <= terms.quote_sat <= NOTIONAL_SAT_MAX else NOTIONAL
    if (
        not QUANTITY_RAO_MIN <= terms.quantity_rao <= QUANTITY_RAO_MAX
        or terms.quantity_rao % STEP_RAO
    ):
        return LOT_SIZE
    price_sat = terms.price_sat or last_price_sat
    notional_sat = calculate_quote_sat(price_sat, terms.quantity_rao)
    if price_sat and not NOTIONAL_SAT_MIN <= notional_sat <= NOTIONAL_SAT_MAX:
        return NOTIONAL
    return None


def plan_order(book: OrderBook, account: Account, terms: PlaceOrder) -> tuple[Order, int]:
    """Return the order as it will enter, and what its account must have free.

    A market order is costed by walking the book first: what it reserves is exactly what it will
    pay. So it is refused whole when it cannot be paid, and never half done.
    """
    quantity_rao, quote_sat = terms.quantity_rao, 0
    if terms.kind is Kind.MARKET:
        quantity_rao, quote_sat, traded_rao = _plan_market(book, account, terms)
    order = Order(terms, quantity_rao, quantity_rao, account.maker_ppm, account.taker_ppm)
    if terms.kind is not Kind.MARKET:
        order.reserved = order.calculate_reserve()
        return order, order.reserved
    if terms.side is BUY:
        order.reserved = quote_sat + calculate_fee_sat(quote_sat * account.taker_ppm)
        return order, order.reserved
    order.reserved = traded_rao
    return order, quantity_rao


def _plan_market(book: OrderBook, account: Account, terms: PlaceOrder) -> tuple[int, int, int]:
    """Return the quantity meant, and the quote and quantity that will trade."""
    if not terms.quote_sat:
        fillable = calculate_fillable(book, terms, terms.quantity_rao, None)
        return terms.quantity_rao, fillable.quote_sat, fillable.quantity_rao
    quote_sat = terms.quote_sat
    if terms.side is BUY:
        quote_sat = calculate_gross_sat(quote_sat, account.taker_ppm)
    fillable = calculate_fillable(book, terms, None, quote_sat)
    return fillable.quantity_rao, fillable.quote_sat, fillable.quantity_rao
