"""Which two orders make a pair: one takes the profit, the other stops the loss."""

from typing import Final

from exchange_service.domain.accounts import Account
from exchange_service.domain.admission import count_icebergs
from exchange_service.domain.book import BUY
from exchange_service.domain.commands import Kind, PlaceOrder, PlaceOrderPair
from exchange_service.domain.refusals import (
    DUPLICATE_LIST,
    DUPLICATE_ORDER,
    MAX_NUM_ALGO_ORDERS,
    MAX_NUM_ICEBERG_ORDERS,
    MAX_NUM_ORDER_LISTS,
    MAX_NUM_ORDERS,
    MAX_POSITION,
    PAIR_PRICES,
    UNSUPPORTED_COMBINATION,
    Reason,
)
from exchange_service.domain.state import State
from exchange_service.domain.symbol import (
    ICEBERG_ORDERS_MAX,
    ORDER_LISTS_MAX,
    POSITION_RAO_MAX,
    STOP_ORDERS_MAX,
)
from exchange_service.domain.triggers import LOSSES

PROFITS: Final = frozenset({Kind.LIMIT_MAKER, Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT})


def check_pair(state: State, account: Account, command: PlaceOrderPair) -> Reason | None:
    """Return why the two orders cannot be a pair, or None; each is checked by itself besides."""
    above, below = command.above, command.below
    if (above.side, above.quantity_rao, above.account_id) != (
        below.side,
        below.quantity_rao,
        below.account_id,
    ):
        return UNSUPPORTED_COMBINATION
    # A sale takes its profit above and stops its loss below; a buy the other way round.
    profit, loss = (below, above) if above.side is BUY else (above, below)
    if profit.kind not in PROFITS or loss.kind not in LOSSES:
        return UNSUPPORTED_COMBINATION
    if not _level_of(below) < _level_of(above):
        return PAIR_PRICES
    if above.client_order_id == below.client_order_id:
        return DUPLICATE_ORDER
    if account.pairs >= ORDER_LISTS_MAX:
        return MAX_NUM_ORDER_LISTS
    if find_pair(state, account, 0, command.client_list_id):
        return DUPLICATE_LIST
    return check_pair_limits(account, command) if state.enforcing else None


def check_pair_limits(account: Account, command: PlaceOrderPair) -> Reason | None:
    """Return which limit the two orders together go over, which each alone may keep to."""
    legs = (command.above, command.below)
    if len(account.orders) + len(legs) > account.open_orders_max:
        return MAX_NUM_ORDERS
    if account.waiting + len([leg for leg in legs if leg.stop_price_sat]) > STOP_ORDERS_MAX:
        return MAX_NUM_ALGO_ORDERS
    icebergs = len([leg for leg in legs if leg.iceberg_rao])
    if icebergs and count_icebergs(account) + icebergs > ICEBERG_ORDERS_MAX:
        return MAX_NUM_ICEBERG_ORDERS
    bid_rao = sum([leg.quantity_rao for leg in legs if leg.side is BUY])
    held_rao = account.free_rao + account.locked_rao + account.bid_rao
    return MAX_POSITION if bid_rao and held_rao + bid_rao > POSITION_RAO_MAX else None


def find_pair(state: State, account: Account, list_id: int, client_list_id: str) -> int:
    """Return the number of the account's open pair that the given ids agree on; 0: none."""
    for order in account.orders.values():
        pair = order.pair
        if (
            pair is not None
            and list_id in (0, pair.list_id)
            and client_list_id in ("", pair.client_list_id)
        ):
            return pair.list_id
    return 0


def _level_of(leg: PlaceOrder) -> int:
    """Return the price that a leg waits for."""
    return leg.stop_price_sat or leg.price_sat
