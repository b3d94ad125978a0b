"""Orders on their way in: checked, paid for, matched, and then at rest, waiting or ended."""

from exchange_service.domain.accounts import FIRST_ACCOUNT, Account
from exchange_service.domain.admission import (
    GTC,
    LIMIT_MAKER,
    MARKET,
    check_account,
    check_limits,
    check_terms,
    find_collar,
)
from exchange_service.domain.book import Order, Pair
from exchange_service.domain.commands import PlaceOrder, PlaceOrderPair
from exchange_service.domain.facts import (
    Expiry,
    Fact,
    OrderAccepted,
    OrderTriggered,
    PairOpened,
    Rejected,
    Traded,
)
from exchange_service.domain.matching import (
    TIME_IN_FORCE,
    calculate_fillable,
    end_pair,
    expire,
    match,
)
from exchange_service.domain.pairs import check_pair
from exchange_service.domain.refusals import (
    INSUFFICIENT_BALANCE,
    NO_LIQUIDITY,
    UNKNOWN_ACCOUNT,
    WOULD_TAKE,
    Reason,
)
from exchange_service.domain.state import State, free_of
from exchange_service.domain.symbol import PPM, PRICE_SAT_MAX


def place_order(state: State, terms: PlaceOrder) -> list[Fact]:
    account = state.accounts.get(terms.account_id)
    if account is None or terms.account_id < FIRST_ACCOUNT:
        return [Rejected(UNKNOWN_ACCOUNT)]
    last_price_sat = state.last_price_sat
    reason = check_terms(terms, last_price_sat) or check_account(account, terms, last_price_sat)
    if reason is None and state.enforcing:
        reason = check_limits(account, terms)
    if reason is not None:
        return [Rejected(reason)]
    if terms.kind is MARKET:
        return _place_at_any_price(state, account, terms)
    order = Order(terms, account, terms.quantity_rao)
    reserve = order.calculate_reserve()
    if (account.free_sat if order.buying else account.free_rao) < reserve:
        return [Rejected(INSUFFICIENT_BALANCE)]
    if terms.kind is LIMIT_MAKER and _would_take(state, order):
        return [Rejected(WOULD_TAKE)]

    state.last_order_id = terms.order_id
    # Its facts come after it, and only they tell what stays locked.
    accepted = OrderAccepted(terms, order.quantity_rao, 0)
    facts: list[Fact] = [accepted]
    if terms.stop_price_sat:
        _wait(state, order, reserve)
    else:
        _enter(state, order, order.price_sat, terms.time_ms, facts)
    accepted.reserved = order.reserved
    if len(facts) > 1:
        run_triggers(state, terms.time_ms, last_price_sat, facts)
    return facts


def _place_at_any_price(state: State, account: Account, terms: PlaceOrder) -> list[Fact]:
    """Cost a market order by walking the book first: refuse it whole, or pay for what it takes."""
    order = Order(terms, account, terms.quantity_rao)
    last_price_sat = state.last_price_sat
    limit_sat = find_collar(order.buying, last_price_sat)
    opposite = state.book.asks if order.buying else state.book.bids
    expiry = TIME_IN_FORCE
    if terms.quote_sat:
        budget_sat = terms.quote_sat
        if order.buying:
            budget_sat = _without_fee(budget_sat, order.taker_ppm)
        fillable = calculate_fillable(opposite, order, limit_sat, None, budget_sat)
        order.leaves_rao = fillable.filled_rao + fillable.prevented_rao
        if not order.leaves_rao:
            return [Rejected(NO_LIQUIDITY)]
        # What the book has not got for the rest of the quote: ordered all the same, to expire.
        order.unpaid_rao = fillable.count_missing()
        order.quantity_rao = order.leaves_rao + order.unpaid_rao
        if fillable.stopped:
            # The match has no more than what is paid for, and so does not come to its own order.
            expiry = Expiry.SELF_TRADE
    else:
        fillable = calculate_fillable(opposite, order, limit_sat, order.quantity_rao)
    cost = order.leaves_rao
    if order.buying:
        cost = _with_fee(fillable.filled_sat, order.taker_ppm)
    if free_of(account, order.buying) < cost:
        return [Rejected(INSUFFICIENT_BALANCE)]

    state.last_order_id = terms.order_id
    facts: list[Fact] = [OrderAccepted(terms, order.quantity_rao, 0)]
    _match_paid(state, order, limit_sat, terms.time_ms, facts, expiry)
    run_triggers(state, terms.time_ms, last_price_sat, facts)
    return facts


def place_pair(state: State, command: PlaceOrderPair) -> list[Fact]:
    account = state.accounts.get(command.account_id)
    if account is None or command.account_id < FIRST_ACCOUNT:
        return [Rejected(UNKNOWN_ACCOUNT)]
    above = Order(command.above, account, command.above.quantity_rao)
    below = Order(command.below, account, command.below.quantity_rao)
    reserve = max(above.calculate_reserve(), below.calculate_reserve())
    reason = (
        check_pair(state, account, command)
        or _check_leg(state, above)
        or _check_leg(state, below)
        or (INSUFFICIENT_BALANCE if free_of(account, above.buying) < reserve else None)
    )
    if reason is not None:
        return [Rejected(reason)]

    state.last_order_id, state.last_list_id = below.terms.order_id, command.list_id
    state.pairs[command.list_id] = Pair(command.list_id, command.client_list_id, above, below)
    account.pairs += 1
    # Only one of the two can ever spend: the leg that comes first has it all locked.
    first = (
        above if above.terms.kind is LIMIT_MAKER or below.terms.kind is not LIMIT_MAKER else below
    )
    for leg in (above, below):
        if leg.terms.stop_price_sat:
            _wait(state, leg, reserve if leg is first else 0)
        else:
            _rest(state, leg)
    state.lock(first, reserve)
    ids = (above.terms.order_id, below.terms.order_id)
    opened = PairOpened(
        command.time_ms, command.list_id, command.account_id, command.client_list_id, ids
    )
    accepted = [OrderAccepted(leg.terms, leg.quantity_rao, leg.reserved) for leg in (above, below)]
    return [opened, *accepted]


def _check_leg(state: State, leg: Order) -> Reason | None:
    last_price_sat = state.last_price_sat
    return (
        check_terms(leg.terms, last_price_sat)
        or check_account(leg.account, leg.terms, last_price_sat)
        or (WOULD_TAKE if leg.terms.kind is LIMIT_MAKER and _would_take(state, leg) else None)
    )


def _enter(state: State, order: Order, limit_sat: int, time_ms: int, facts: list[Fact]) -> None:
    """Match an order that nothing is locked for, then let it rest or expire."""
    expiry = match(state, order, limit_sat, time_ms, facts)
    if not order.leaves_rao and expiry is None:
        return
    terms = order.terms
    if expiry is None and order.price_sat and terms.time_in_force is GTC:
        _rest(state, order)
        state.lock(order, order.calculate_reserve())
    else:
        facts.append(expire(state, order, expiry or TIME_IN_FORCE, time_ms))


def _rest(state: State, order: Order) -> None:
    state.open(order)
    book = state.book
    (book.bids if order.buying else book.asks).add(order)
    book.update_id += 1


def _wait(state: State, order: Order, reserve: int) -> None:
    state.open(order)
    state.triggers.add(order)
    order.account.waiting += 1
    state.lock(order, reserve)


def run_triggers(state: State, time_ms: int, reference_sat: int, facts: list[Fact]) -> None:
    """Let in every stop order that a trade of this command has reached, and what that reaches.

    Each can be triggered once, so this ends. None trades at any price further from the price at
    the command's beginning than the collar, so a cascade of them ends there.
    """
    if not state.triggers:
        return
    lowest_sat, highest_sat, seen = PRICE_SAT_MAX, 0, 0
    while True:
        for fact in facts[seen:]:
            if isinstance(fact, Traded):
                lowest_sat = min(lowest_sat, fact.price_sat)
                highest_sat = max(highest_sat, fact.price_sat)
        seen = len(facts)
        if (order := state.triggers.find_due(lowest_sat, highest_sat)) is None:
            return
        _trigger(state, order, time_ms, reference_sat, facts)


def _trigger(
    state: State, order: Order, time_ms: int, reference_sat: int, facts: list[Fact]
) -> None:
    end_pair(state, order, time_ms, facts)
    state.close(order)
    released = state.release(order)
    position = len(facts)
    if order.price_sat:
        _enter(state, order, order.price_sat, time_ms, facts)
    else:
        _enter_at_any_price(state, order, find_collar(order.buying, reference_sat), time_ms, facts)
    facts.insert(position, OrderTriggered(time_ms, order.terms, released, order.reserved))


def _enter_at_any_price(
    state: State, order: Order, limit_sat: int, time_ms: int, facts: list[Fact]
) -> None:
    """Match a triggered order as far as its account can pay; what it cannot pay expires."""
    if order.buying:
        free_sat = order.account.free_sat
        fillable = calculate_fillable(state.book.asks, order, limit_sat, order.leaves_rao)
        if _with_fee(fillable.filled_sat, order.taker_ppm) > free_sat:
            budget_sat = _without_fee(free_sat, order.taker_ppm)
            fillable = calculate_fillable(state.book.asks, order, limit_sat, None, budget_sat)
            paid_rao = fillable.filled_rao + fillable.prevented_rao
            order.unpaid_rao, order.leaves_rao = order.leaves_rao - paid_rao, paid_rao
    _match_paid(state, order, limit_sat, time_ms, facts, Expiry.NO_FUNDS)


def _match_paid(
    state: State, order: Order, limit_sat: int, time_ms: int, facts: list[Fact], otherwise: Expiry
) -> None:
    """Match what is paid for; the rest expires: what was held back, by the reason given."""
    expiry = match(state, order, limit_sat, time_ms, facts)
    if order.unpaid_rao:
        order.leaves_rao += order.unpaid_rao
        order.unpaid_rao = 0
        expiry = expiry or otherwise
    if order.leaves_rao or expiry is not None:
        facts.append(expire(state, order, expiry or TIME_IN_FORCE, time_ms))


def _would_take(state: State, order: Order) -> bool:
    best = state.book.asks.best if order.buying else state.book.bids.best
    if best is None:
        return False
    return best.price_sat <= order.price_sat if order.buying else best.price_sat >= order.price_sat


def _with_fee(quote_sat: int, fee_ppm: int) -> int:
    return quote_sat - quote_sat * fee_ppm // -PPM


def _without_fee(budget_sat: int, fee_ppm: int) -> int:
    """Return the largest quote g with g + ⌈g × fee⌉ ≤ budget: what a budget buys, fee included."""
    return budget_sat * PPM // (PPM + fee_ppm)
