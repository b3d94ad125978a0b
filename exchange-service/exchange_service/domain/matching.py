"""Price, then time: how an arriving order meets the book, and what each trade moves."""

from typing import Final

from mypy_extensions import mypyc_attr

from exchange_service.domain.accounts import FEES
from exchange_service.domain.book import BookSide, Level, Order, Pair
from exchange_service.domain.commands import SelfTrade, TimeInForce
from exchange_service.domain.facts import (
    Expiry,
    Fact,
    MatchPrevented,
    OrderExpired,
    PairDone,
    Traded,
)
from exchange_service.domain.state import State
from exchange_service.domain.symbol import PPM, RAO_PER_TAO, STEP_RAO

FOK: Final = TimeInForce.FOK
TIME_IN_FORCE: Final = Expiry.TIME_IN_FORCE
NONE: Final = SelfTrade.NONE
EXPIRE_MAKER: Final = SelfTrade.EXPIRE_MAKER
ENDS_TAKER: Final = frozenset({SelfTrade.EXPIRE_TAKER, SelfTrade.EXPIRE_BOTH})
SHRINKS_BOTH: Final = frozenset({SelfTrade.DECREMENT, SelfTrade.TRANSFER})


def calculate_fillable(
    opposite: BookSide, order: Order, limit_sat: int, quantity_rao: int | None, quote_sat: int = 0
) -> "Walk":
    """Walk the opposite side as the match will, changing nothing, and return what would be done.

    The walk ends at the limit price, where `quantity_rao` or else `quote_sat` is used up, or where
    the account's own order stands in the way and its self-trade mode ends the taker.
    """
    walk = Walk(order, quantity_rao, quote_sat)
    levels, sign = opposite.levels, opposite.sign
    # As `in_levels` yields them, without the generator: a market order looks at one or two.
    for key in reversed(opposite.keys):
        price_sat = key * sign
        if price_sat > limit_sat if order.buying else price_sat < limit_sat:
            break
        if not walk.pass_level(levels[price_sat]):
            break
    return walk


@mypyc_attr(acyclic=True, free_list_len=1)
class Walk:
    """How far along the book an order has come that only looks."""

    __slots__ = (
        "account",
        "filled_rao",
        "filled_sat",
        "left_sat",
        "mode",
        "prevented_rao",
        "price_sat",
        "quantity_rao",
        "stopped",
    )

    def __init__(self, order: Order, quantity_rao: int | None, quote_sat: int) -> None:
        self.account = order.account
        self.mode = order.terms.self_trade
        self.quantity_rao = quantity_rao
        self.left_sat = quote_sat
        """What of the quote is not used yet, where there is no quantity."""
        self.filled_rao = 0
        """Traded."""
        self.filled_sat = 0
        """Traded, at the makers' prices."""
        self.prevented_rao = 0
        """Not traded, for it met orders of its own account (DECREMENT)."""
        self.price_sat = 0
        """That of the last level it came to."""
        self.stopped = False
        """An order of its own account ended it, for which more would have been left."""

    def pass_level(self, level: Level) -> bool:
        """Meet a level's orders as a taker does; return whether the walk goes on.

        What icebergs hide comes after everything that is shown. Orders of the taker's own account
        are met whole, for they are prevented, and not traded slice by slice.
        """
        hidden_rao = 0
        self.price_sat = level.price_sat
        maker = level.first
        while maker is not None:
            if maker.account is self.account and self.mode is not NONE:
                goes_on = self._meet_own(level.price_sat, maker.leaves_rao)
            else:
                goes_on = self._meet(level.price_sat, maker.shown_rao)
                hidden_rao += maker.leaves_rao - maker.shown_rao
            if not goes_on:
                return False
            maker = maker.after
        return not hidden_rao or self._meet(level.price_sat, hidden_rao)

    def _meet(self, price_sat: int, offered_rao: int) -> bool:
        take_rao = min(offered_rao, self._count_left(price_sat))
        take_sat = price_sat * take_rao // RAO_PER_TAO
        self.filled_rao += take_rao
        self.filled_sat += take_sat
        self.left_sat -= take_sat
        return take_rao > 0

    def _meet_own(self, price_sat: int, offered_rao: int) -> bool:
        if self.mode in ENDS_TAKER:
            self.stopped = self._count_left(price_sat) > 0
            return False
        if self.mode is EXPIRE_MAKER:
            return True
        take_rao = min(offered_rao, self._count_left(price_sat))
        self.prevented_rao += take_rao
        self.left_sat -= price_sat * take_rao // RAO_PER_TAO
        return take_rao > 0

    def count_missing(self) -> int:
        """Return how much more the quote would have bought where the walk ended."""
        return self._count_left(self.price_sat)

    def _count_left(self, price_sat: int) -> int:
        """Return how much more the order would take at a price."""
        if self.quantity_rao is not None:
            return self.quantity_rao - self.filled_rao - self.prevented_rao
        # One step costs price × step / 10⁹ satoshi, exactly.
        step_sat = price_sat * STEP_RAO // RAO_PER_TAO
        return self.left_sat // step_sat * STEP_RAO


def match(
    state: State, order: Order, limit_sat: int, time_ms: int, facts: list[Fact]
) -> Expiry | None:
    """Trade the order against the book, as far as the limit; return why it must end, if it must."""
    buying, account = order.buying, order.account
    opposite = state.book.asks if buying else state.book.bids
    if order.terms.time_in_force is FOK:
        quantity_rao = order.leaves_rao
        walk = calculate_fillable(opposite, order, limit_sat, quantity_rao)
        if walk.filled_rao < quantity_rao:
            return TIME_IN_FORCE
    mode = order.terms.self_trade
    while order.leaves_rao:
        level = opposite.best
        if level is None:
            break
        if level.price_sat > limit_sat if buying else level.price_sat < limit_sat:
            break
        maker = level.first
        assert maker is not None
        if maker.account is account and mode is not NONE:
            if not _prevent(state, order, maker, time_ms, facts):
                return Expiry.SELF_TRADE
            continue
        facts.append(_trade(state, order, maker, level, time_ms))
        if maker.pair is not None:
            end_pair(state, maker, time_ms, facts)
        if not maker.leaves_rao:
            state.close(maker)
            continue
        if not maker.shown_rao:
            opposite.show_next(maker)
        opposite.note_change(level)
        state.book.update_id += 1
    return None


def _trade(state: State, taker: Order, maker: Order, level: Level, time_ms: int) -> Traded:
    """Exchange as much as both want, at the maker's price, and settle it between the accounts.

    The taker pays from what is free, the maker from what its order has locked. The seller's fee
    comes off the proceeds, the buyer's is paid on top: all fees are BTC.
    """
    price_sat = level.price_sat
    quantity_rao = maker.shown_rao
    if taker.leaves_rao < quantity_rao:
        quantity_rao = taker.leaves_rao
    quote_sat = price_sat * quantity_rao // RAO_PER_TAO
    taker_fee_sat = _fill(taker, quantity_rao, quote_sat, taker.taker_ppm)
    maker_fee_sat = _fill(maker, quantity_rao, quote_sat, maker.maker_ppm)
    maker.shown_rao -= quantity_rao
    level.quantity_rao -= quantity_rao

    taker_account, maker_account = taker.account, maker.account
    released_sat = 0
    if taker.buying:
        taker_account.free_sat -= quote_sat + taker_fee_sat
        taker_account.free_rao += quantity_rao
        maker.reserved -= quantity_rao
        maker_account.locked_rao -= quantity_rao
        maker_account.free_sat += quote_sat - maker_fee_sat
    else:
        taker_account.free_rao -= quantity_rao
        taker_account.free_sat += quote_sat - taker_fee_sat
        reserve_sat = maker.calculate_reserve()
        unlocked_sat = maker.reserved - reserve_sat
        released_sat = unlocked_sat - quote_sat - maker_fee_sat
        maker.reserved = reserve_sat
        maker_account.locked_sat -= unlocked_sat
        maker_account.free_sat += released_sat
        maker_account.free_rao += quantity_rao
    state.accounts[FEES].free_sat += taker_fee_sat + maker_fee_sat
    state.last_price_sat = price_sat
    state.last_trade_id += 1
    return Traded(
        time_ms,
        state.last_trade_id,
        price_sat,
        quantity_rao,
        quote_sat,
        taker.terms.side,
        taker.order_id,
        taker_account.account_id,
        taker.leaves_rao + taker.unpaid_rao,
        taker_fee_sat,
        maker.order_id,
        maker_account.account_id,
        maker.leaves_rao,
        maker_fee_sat,
        released_sat,
    )


def _fill(order: Order, quantity_rao: int, quote_sat: int, fee_ppm: int) -> int:
    """Book one trade on the order and return its fee in satoshi.

    The fee is what the order owes in all, ⌈Σ quote × rate⌉, less what it has paid: rounding can
    cost an order one satoshi in its whole life, in however many pieces it trades.
    """
    order.leaves_rao -= quantity_rao
    order.executed_sat += quote_sat
    order.weighted_quote = weighted = order.weighted_quote + quote_sat * fee_ppm
    fee_sat = -(weighted // -PPM) - order.charged_sat
    order.charged_sat += fee_sat
    return fee_sat


def _prevent(state: State, taker: Order, maker: Order, time_ms: int, facts: list[Fact]) -> bool:
    """Keep two orders of one account from trading; return whether the taker goes on."""
    mode = taker.terms.self_trade
    shrinks_both = mode in SHRINKS_BOTH
    smaller_rao = min(taker.leaves_rao, maker.leaves_rao)
    taker_rao = smaller_rao if shrinks_both else taker.leaves_rao if mode in ENDS_TAKER else 0
    maker_rao = (
        smaller_rao if shrinks_both else 0 if mode is SelfTrade.EXPIRE_TAKER else maker.leaves_rao
    )
    state.last_prevented_id += 1
    price_sat = maker.price_sat
    released = _shrink_maker(state, maker, maker_rao)
    taker.leaves_rao -= taker_rao
    taker.prevented_rao += taker_rao
    facts.append(
        MatchPrevented(
            time_ms,
            state.last_prevented_id,
            taker.terms.account_id,
            taker.terms.order_id,
            maker.terms.order_id,
            price_sat,
            taker_rao,
            maker_rao,
            mode,
            maker.terms,
            released,
        )
    )
    if maker_rao and maker.pair is not None:
        end_pair(state, maker, time_ms, facts)
    if not maker.leaves_rao:
        state.close(maker)
        facts.append(expire(state, maker, Expiry.SELF_TRADE, time_ms))
    return taker.leaves_rao > 0


def _shrink_maker(state: State, maker: Order, maker_rao: int) -> int:
    """Take a quantity off a resting order without a trade; return what that unlocks."""
    if not maker_rao:
        return 0
    level = maker.level
    assert level is not None
    maker.leaves_rao -= maker_rao
    maker.prevented_rao += maker_rao
    shown_rao = min(maker.shown_rao, maker.leaves_rao)
    level.quantity_rao -= maker.shown_rao - shown_rao
    maker.shown_rao = shown_rao
    (state.book.bids if maker.buying else state.book.asks).note_change(level)
    state.book.update_id += 1
    before = maker.reserved
    state.lock(maker, maker.calculate_reserve())
    return before - maker.reserved


def end_pair(state: State, leg: Order, time_ms: int, facts: list[Fact]) -> None:
    """One leg of a pair trades, is triggered or ends: the other leg expires."""
    pair = leg.pair
    if pair is None:
        return
    dissolve_pair(state, pair)
    other = pair.other(leg)
    state.close(other)
    facts.append(expire(state, other, Expiry.OTHER_LEG, time_ms))
    facts.append(PairDone(time_ms, pair.list_id, other.terms.account_id, pair.client_list_id))


def dissolve_pair(state: State, pair: Pair) -> None:
    """Let the legs be orders like any others."""
    pair.above.pair = pair.below.pair = None
    pair.above.account.pairs -= 1
    del state.pairs[pair.list_id]


def expire(state: State, order: Order, expiry: Expiry, time_ms: int) -> OrderExpired:
    """End an order that is not in the book, and give back what it has locked."""
    return OrderExpired(
        time_ms,
        order.terms,
        order.quantity_rao,
        order.executed_rao,
        order.executed_sat,
        order.prevented_rao,
        state.release(order),
        expiry,
    )
