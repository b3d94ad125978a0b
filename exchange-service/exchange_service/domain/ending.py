"""Orders on their way out, or made smaller: by their owner, or by a deadline they let pass."""

from typing import Final

from exchange_service.domain.admission import check_notional
from exchange_service.domain.book import Order, slice_of
from exchange_service.domain.commands import (
    AmendOrder,
    CancelAllOrders,
    CancelOrder,
    CancelOrderPair,
    PassDeadlines,
    ReplaceMode,
    ReplaceOrder,
    Restriction,
    SetDeadline,
)
from exchange_service.domain.facts import (
    DeadlinePassed,
    DeadlineSet,
    Fact,
    Half,
    OrderAmended,
    OrderCancelled,
    PairDone,
    Rejected,
    ReplaceRefused,
)
from exchange_service.domain.matching import dissolve_pair
from exchange_service.domain.pairs import find_pair
from exchange_service.domain.placing import place_order
from exchange_service.domain.refusals import (
    AMEND_LARGER,
    AMEND_NOT_SMALLER,
    AMEND_OF_A_LEG,
    CANCEL_REPLACE_FAILED,
    DEADLINE_TOO_FAR,
    DUPLICATE_ORDER,
    LOT_SIZE,
    MAX_NUM_ORDER_AMENDS,
    NOTHING_DUE,
    RESTRICTED,
    UNKNOWN_ACCOUNT,
    UNKNOWN_ORDER,
    Reason,
)
from exchange_service.domain.state import State
from exchange_service.domain.symbol import DEADLINE_MS_MAX, ORDER_AMENDS_MAX, STEP_RAO

UNRESTRICTED: Final = Restriction.NONE


def cancel_order(state: State, command: CancelOrder) -> list[Fact]:
    order = _find_open(state, command.account_id, command.order_id, command.client_order_id)
    if (reason := _check_cancel(order, command.restriction)) is not None:
        return [Rejected(reason)]
    assert order is not None
    return _cancel(state, order, command.time_ms, command.cancel_id)


def cancel_pair(state: State, command: CancelOrderPair) -> list[Fact]:
    account = state.accounts.get(command.account_id)
    if account is None or not (command.list_id or command.client_list_id):
        return [Rejected(UNKNOWN_ORDER)]
    list_id = find_pair(state, account, command.list_id, command.client_list_id)
    if not list_id:
        return [Rejected(UNKNOWN_ORDER)]
    return _cancel(state, state.pairs[list_id].above, command.time_ms, command.cancel_id)


def cancel_all_orders(state: State, command: CancelAllOrders) -> list[Fact]:
    account = state.accounts.get(command.account_id)
    if account is None or not account.orders:
        return [Rejected(UNKNOWN_ORDER)]
    return _cancel_all(state, command.account_id, command.time_ms)


def replace_order(state: State, command: ReplaceOrder) -> list[Fact]:
    order = _find_open(state, command.account_id, command.order_id, command.client_order_id)
    reason = _check_cancel(order, command.restriction)
    if reason is None:
        assert order is not None
        facts = _cancel(state, order, command.time_ms, command.cancel_id)
        placed = place_order(state, command.order)
        if isinstance(placed[0], Rejected):
            return [*facts, ReplaceRefused(Half.ORDER, placed[0].reason, command.order)]
        return [*facts, *placed]
    not_cancelled = ReplaceRefused(Half.CANCEL, reason)
    if command.mode is ReplaceMode.STOP_ON_FAILURE:
        return [Rejected(CANCEL_REPLACE_FAILED), not_cancelled]
    placed = place_order(state, command.order)
    if isinstance(placed[0], Rejected):
        not_placed = ReplaceRefused(Half.ORDER, placed[0].reason)
        return [Rejected(CANCEL_REPLACE_FAILED), not_cancelled, not_placed]
    return [not_cancelled, *placed]


def amend_order(state: State, command: AmendOrder) -> list[Fact]:
    order = _find_open(state, command.account_id, command.order_id, command.client_order_id)
    if (reason := _check_amend(state, order, command)) is not None:
        return [Rejected(reason)]
    assert order is not None
    previous_rao, previous_name = order.quantity_rao, order.terms.client_order_id
    order.leaves_rao -= previous_rao - command.quantity_rao
    order.quantity_rao = command.quantity_rao
    order.amends += 1
    if order.buying:
        order.account.bid_rao -= previous_rao - command.quantity_rao
    _show_less(state, order)
    before = order.reserved
    state.lock(order, order.calculate_reserve())
    if name := command.new_client_order_id:
        del order.account.orders[previous_name]
        order.account.orders[name] = order
        order.terms = order.terms._replace(client_order_id=name)
    return [
        OrderAmended(
            command.time_ms,
            order.terms,
            order.quantity_rao,
            order.executed_rao,
            order.executed_sat,
            order.prevented_rao,
            before - order.reserved,
            previous_rao,
            previous_name,
        )
    ]


def set_deadline(state: State, command: SetDeadline) -> list[Fact]:
    if command.account_id not in state.accounts:
        return [Rejected(UNKNOWN_ACCOUNT)]
    if not 0 <= command.after_ms <= DEADLINE_MS_MAX:
        return [Rejected(DEADLINE_TOO_FAR)]
    state.deadlines.pop(command.account_id, None)
    deadline_ms = 0
    if command.after_ms:
        deadline_ms = state.deadlines[command.account_id] = command.time_ms + command.after_ms
    return [DeadlineSet(command.time_ms, command.account_id, deadline_ms)]


def pass_deadlines(state: State, command: PassDeadlines) -> list[Fact]:
    """Cancel the orders of every account whose deadline has come, the earliest first."""
    due = sorted(
        (deadline_ms, account_id)
        for account_id, deadline_ms in state.deadlines.items()
        if deadline_ms <= command.time_ms
    )
    facts: list[Fact] = []
    for _, account_id in due:
        del state.deadlines[account_id]
        facts.append(DeadlinePassed(command.time_ms, account_id))
        facts.extend(_cancel_all(state, account_id, command.time_ms))
    return facts or [Rejected(NOTHING_DUE)]


def _find_open(state: State, account_id: int, order_id: int, client_order_id: str) -> Order | None:
    """Return the account's open order that the given ids, one or both, agree on."""
    if order_id:
        order = state.orders.get(order_id)
    else:
        account = state.accounts.get(account_id)
        order = account.orders.get(client_order_id) if account is not None else None
    if order is None or order.account.account_id != account_id:
        return None
    if client_order_id and order.terms.client_order_id != client_order_id:
        return None
    return order


def _check_cancel(order: Order | None, restriction: Restriction) -> Reason | None:
    if order is None:
        return UNKNOWN_ORDER
    if restriction is UNRESTRICTED:
        return None
    wanted_new = restriction is Restriction.ONLY_NEW
    return None if wanted_new is (order.executed_rao == 0) else RESTRICTED


def _check_amend(state: State, order: Order | None, command: AmendOrder) -> Reason | None:
    if order is None:
        return UNKNOWN_ORDER
    if order.pair is not None:
        return AMEND_OF_A_LEG
    if command.quantity_rao % STEP_RAO:
        return LOT_SIZE
    gone_rao = order.quantity_rao - order.leaves_rao
    if command.quantity_rao > order.quantity_rao:
        return AMEND_LARGER
    if not gone_rao < command.quantity_rao < order.quantity_rao:
        return AMEND_NOT_SMALLER
    if order.account.orders.get(command.new_client_order_id, order) is not order:
        return DUPLICATE_ORDER
    return _check_amended(order, command.quantity_rao) if state.enforcing else None


def _check_amended(order: Order, quantity_rao: int) -> Reason | None:
    """Return which limit that a replay does not ask the smaller order breaks, or None.

    Its price is what it was, and is not held against a price that has moved since.
    """
    if order.amends >= ORDER_AMENDS_MAX:
        return MAX_NUM_ORDER_AMENDS
    return check_notional(order.price_sat or order.terms.stop_price_sat, quantity_rao)


def _show_less(state: State, order: Order) -> None:
    level = order.level
    if level is None:
        return
    shown_rao = min(order.shown_rao, slice_of(order))
    level.quantity_rao -= order.shown_rao - shown_rao
    order.shown_rao = shown_rao
    (state.book.bids if order.buying else state.book.asks).note_change(level)
    state.book.update_id += 1


def _cancel(state: State, order: Order, time_ms: int, cancel_id: str = "") -> list[Fact]:
    """End an order, and with a leg of a pair the other leg."""
    pair = order.pair
    if pair is None:
        return [_end(state, order, time_ms, cancel_id)]
    dissolve_pair(state, pair)
    legs = sorted((order, pair.other(order)), key=lambda leg: leg.terms.order_id)
    done = PairDone(time_ms, pair.list_id, order.terms.account_id, pair.client_list_id)
    return [*(_end(state, leg, time_ms, cancel_id) for leg in legs), done]


def _end(state: State, order: Order, time_ms: int, cancel_id: str) -> OrderCancelled:
    state.close(order)
    return OrderCancelled(
        time_ms,
        order.terms,
        order.quantity_rao,
        order.executed_rao,
        order.executed_sat,
        order.prevented_rao,
        state.release(order),
        cancel_id,
    )


def _cancel_all(state: State, account_id: int, time_ms: int) -> list[Fact]:
    orders = state.accounts[account_id].orders
    # By number: the order of a dictionary is not part of the state.
    oldest_first = sorted(orders.values(), key=lambda order: order.terms.order_id)
    facts: list[Fact] = []
    for order in oldest_first:
        if order.terms.client_order_id in orders:  # Not gone with the other leg already.
            facts.extend(_cancel(state, order, time_ms))
    return facts
