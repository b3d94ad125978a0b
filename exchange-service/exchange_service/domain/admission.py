"""May this order enter? What its own terms say, and what its account may have."""

from typing import Final

from exchange_service.domain.accounts import Account
from exchange_service.domain.book import BUY
from exchange_service.domain.commands import Kind, PlaceOrder, TimeInForce
from exchange_service.domain.refusals import (
    DUPLICATE_ORDER,
    ICEBERG_EXCEEDS,
    ICEBERG_PARTS,
    LOT_SIZE,
    MAX_NUM_ALGO_ORDERS,
    MAX_NUM_ICEBERG_ORDERS,
    MAX_NUM_ORDERS,
    MAX_POSITION,
    NOTIONAL,
    PERCENT_PRICE_BY_SIDE,
    PRICE_FILTER,
    UNSUPPORTED_COMBINATION,
    WOULD_TRIGGER,
    Reason,
)
from exchange_service.domain.symbol import (
    ASK_DIVISOR_DOWN,
    ASK_MULTIPLIER_UP,
    BID_DIVISOR_DOWN,
    BID_MULTIPLIER_UP,
    ICEBERG_ORDERS_MAX,
    ICEBERG_PARTS_MAX,
    NOTIONAL_SAT_MAX,
    NOTIONAL_SAT_MIN,
    POSITION_RAO_MAX,
    PRICE_SAT_MAX,
    PRICE_SAT_MIN,
    QUANTITY_RAO_MAX,
    QUANTITY_RAO_MIN,
    RAO_PER_TAO,
    STEP_RAO,
    STOP_ORDERS_MAX,
    TICK_SAT,
)
from exchange_service.domain.triggers import STOPS, is_reached

LIMIT: Final = Kind.LIMIT
LIMIT_MAKER: Final = Kind.LIMIT_MAKER
MARKET: Final = Kind.MARKET
STOP_LIMITS: Final = frozenset({Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT_LIMIT})
GTC: Final = TimeInForce.GTC


def check_terms(terms: PlaceOrder, last_price_sat: int) -> Reason | None:
    """Return the filter that the order breaks, in Binance's order of checking, or None.

    An order at any price has its notional taken at its stop price, else at the last trade's
    (`avgPriceMins` 0), and not at all before the first trade.
    """
    kind, price_sat, quantity_rao = terms.kind, terms.price_sat, terms.quantity_rao
    if kind is not LIMIT or terms.stop_price_sat or terms.iceberg_rao:
        reason = _check_stop(terms) or _check_iceberg(terms)
        if reason is not None:
            return reason
    if kind is LIMIT or kind is LIMIT_MAKER or kind in STOP_LIMITS:
        if not PRICE_SAT_MIN <= price_sat <= PRICE_SAT_MAX or price_sat % TICK_SAT:
            return PRICE_FILTER
        if last_price_sat and not _is_in_band(terms, last_price_sat):
            return PERCENT_PRICE_BY_SIDE
    elif price_sat or terms.time_in_force is not GTC:
        return UNSUPPORTED_COMBINATION
    if terms.quote_sat:
        if kind is not MARKET or quantity_rao:
            return UNSUPPORTED_COMBINATION
        return None if NOTIONAL_SAT_MIN <= terms.quote_sat <= NOTIONAL_SAT_MAX else NOTIONAL
    if not QUANTITY_RAO_MIN <= quantity_rao <= QUANTITY_RAO_MAX or quantity_rao % STEP_RAO:
        return LOT_SIZE
    return check_notional(price_sat or terms.stop_price_sat or last_price_sat, quantity_rao)


def check_notional(price_sat: int, quantity_rao: int) -> Reason | None:
    """Return the filter that price × quantity breaks, or None; there may be no price (0)."""
    notional_sat = price_sat * quantity_rao // RAO_PER_TAO
    if price_sat and not NOTIONAL_SAT_MIN <= notional_sat <= NOTIONAL_SAT_MAX:
        return NOTIONAL
    return None


def _is_in_band(terms: PlaceOrder, last_price_sat: int) -> bool:
    price_sat = terms.price_sat
    if terms.side is BUY:
        return (
            price_sat <= last_price_sat * BID_MULTIPLIER_UP
            and price_sat * BID_DIVISOR_DOWN >= last_price_sat
        )
    return (
        price_sat <= last_price_sat * ASK_MULTIPLIER_UP
        and price_sat * ASK_DIVISOR_DOWN >= last_price_sat
    )


def find_collar(buying: bool, last_price_sat: int) -> int:
    """Return the worst price at which an order at any price may trade: the narrow band's edge."""
    if buying:
        return last_price_sat * BID_MULTIPLIER_UP or PRICE_SAT_MAX
    return -(last_price_sat // -ASK_DIVISOR_DOWN)


def _check_stop(terms: PlaceOrder) -> Reason | None:
    stop_price_sat = terms.stop_price_sat
    if terms.kind not in STOPS:
        return UNSUPPORTED_COMBINATION if stop_price_sat else None
    if not PRICE_SAT_MIN <= stop_price_sat <= PRICE_SAT_MAX or stop_price_sat % TICK_SAT:
        return PRICE_FILTER
    return None


def _check_iceberg(terms: PlaceOrder) -> Reason | None:
    iceberg_rao = terms.iceberg_rao
    if not iceberg_rao:
        return None
    if terms.price_sat == 0 or terms.time_in_force is not GTC:
        return UNSUPPORTED_COMBINATION
    if iceberg_rao > terms.quantity_rao:
        return ICEBERG_EXCEEDS
    if iceberg_rao < QUANTITY_RAO_MIN or iceberg_rao % STEP_RAO:
        return LOT_SIZE
    if -(-terms.quantity_rao // iceberg_rao) > ICEBERG_PARTS_MAX:
        return ICEBERG_PARTS
    return None


def check_account(account: Account, terms: PlaceOrder, last_price_sat: int) -> Reason | None:
    """Return why the account may not have this order now, whatever it costs, or None."""
    orders = account.orders
    if terms.client_order_id in orders:
        return DUPLICATE_ORDER
    if len(orders) >= account.open_orders_max:
        return MAX_NUM_ORDERS
    if terms.stop_price_sat:
        if account.waiting >= STOP_ORDERS_MAX:
            return MAX_NUM_ALGO_ORDERS
        if is_reached(terms, last_price_sat):
            return WOULD_TRIGGER
    return None


def check_limits(account: Account, terms: PlaceOrder) -> Reason | None:
    """Return which limit that a replay does not ask the order goes over, or None.

    A position is what the account has, and what it bids for. The filters of the whole exchange
    (EXCHANGE_MAX_NUM_ORDERS and its kin) are those of its one market, which are asked first.
    """
    if terms.side is BUY:
        held_rao = account.free_rao + account.locked_rao + account.bid_rao
        if held_rao + terms.quantity_rao > POSITION_RAO_MAX:
            return MAX_POSITION
    if terms.iceberg_rao and count_icebergs(account) >= ICEBERG_ORDERS_MAX:
        return MAX_NUM_ICEBERG_ORDERS
    return None


def count_icebergs(account: Account) -> int:
    return len([order for order in account.orders.values() if order.terms.iceberg_rao])
