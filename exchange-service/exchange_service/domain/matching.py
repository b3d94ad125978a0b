"""Price, then time: how an arriving order meets the book, and what each trade moves."""

from typing import NamedTuple

from exchange_service.domain.accounts import Account
from exchange_service.domain.book import BUY, SELL, BookSide, Order, OrderBook
from exchange_service.domain.commands import PlaceOrder, SelfTrade
from exchange_service.domain.facts import Traded
from exchange_service.domain.symbol import (
    STEP_RAO,
    calculate_fee_sat,
    calculate_quote_sat,
)

ANY_PRICE = 0


class Fillable(NamedTuple):
    """What an order could trade at once."""

    quantity_rao: int
    quote_sat: int


def crosses(terms: PlaceOrder, price_sat: int) -> bool:
    """Tell whether the order would accept a trade at this price."""
    if terms.price_sat == ANY_PRICE:
        return True
    if terms.side is BUY:
        return price_sat <= terms.price_sat
    return price_sat >= terms.price_sat


def calculate_fillable(
    book: OrderBook, terms: PlaceOrder, quantity_rao: int | None, quote_sat: int | None
) -> Fillable:
    """Walk the opposite side as the match will, changing nothing.

    The walk ends at the limit price, at `quantity_rao`, at `quote_sat`, or where the account's own
    order stands in the way and its self-trade mode ends the taker.
    """
    filled_rao = filled_sat = 0
    opposite = book.side(SELL if terms.side is BUY else BUY)
    for maker in opposite.in_order():
        price_sat = maker.terms.price_sat
        if not crosses(terms, price_sat):
            break
        if maker.terms.account_id == terms.account_id:
            if terms.self_trade in (SelfTrade.EXPIRE_TAKER, SelfTrade.EXPIRE_BOTH):
                break
            if terms.self_trade is SelfTrade.EXPIRE_MAKER:
                continue
        take_rao = maker.leaves_rao
        if quantity_rao is not None:
            take_rao = min(take_rao, quantity_rao - filled_rao)
        if quote_sat is not None:
            # One step costs price × step / 10⁹ satoshi, exactly; as many steps as the rest pays.
            step_sat = calculate_quote_sat(price_sat, STEP_RAO)
            take_rao = min(take_rao, (quote_sat - filled_sat) // step_sat * STEP_RAO)
        if take_rao == 0:
            break
        filled_rao += take_rao
        filled_sat += calculate_quote_sat(price_sat, take_rao)
    return Fillable(filled_rao, filled_sat)


def find_maker(opposite: BookSide, terms: PlaceOrder) -> Order | None:
    """Return the order that the arriving one must meet next."""
    if not opposite.keys:
        return None
    price_sat = opposite.keys[-1] * opposite.sign
    if not crosses(terms, price_sat):
        return None
    return next(iter(opposite.levels[price_sat].orders.values()))


def trade(
    taker: Order,
    maker: Order,
    taker_account: Account,
    maker_account: Account,
    fees: Account,
    trade_id: int,
) -> Traded:
    """Exchange as much as both want, at the maker's price, and settle it between the accounts.

    The buyer's locked BTC pays quote and fee, the seller's locked TAO is delivered, the seller's
    fee comes off the proceeds: all fees are BTC.
    """
    price_sat = maker.terms.price_sat
    quantity_rao = min(taker.leaves_rao, maker.leaves_rao)
    quote_sat = calculate_quote_sat(price_sat, quantity_rao)
    taker_fee_sat = fill(taker, quantity_rao, quote_sat, taker.taker_ppm)
    maker_fee_sat = fill(maker, quantity_rao, quote_sat, maker.maker_ppm)

    if taker.terms.side is BUY:
        buyer, buyer_account, buyer_fee_sat = taker, taker_account, taker_fee_sat
        seller, seller_account, seller_fee_sat = maker, maker_account, maker_fee_sat
    else:
        buyer, buyer_account, buyer_fee_sat = maker, maker_account, maker_fee_sat
        seller, seller_account, seller_fee_sat = taker, taker_account, taker_fee_sat

    reserve_sat = (
        buyer.calculate_reserve()
        if buyer.terms.price_sat != ANY_PRICE
        else (buyer.reserved - quote_sat - buyer_fee_sat)
    )
    released_sat = buyer.reserved - quote_sat - buyer_fee_sat - reserve_sat
    assert released_sat >= 0
    buyer_account.locked_sat -= buyer.reserved - reserve_sat
    buyer_account.free_sat += released_sat
    buyer_account.free_rao += quantity_rao
    buyer.reserved = reserve_sat

    seller_account.locked_rao -= quantity_rao
    seller_account.free_sat += quote_sat - seller_fee_sat
    seller.reserved -= quantity_rao

    fees.free_sat += buyer_fee_sat + seller_fee_sat
    return Traded(
        taker.terms.time_ms,
        trade_id,
        price_sat,
        quantity_rao,
        quote_sat,
        taker.terms.side,
        taker.terms.order_id,
        taker.terms.account_id,
        taker.leaves_rao,
        taker_fee_sat,
        maker.terms.order_id,
        maker.terms.account_id,
        maker.leaves_rao,
        maker_fee_sat,
        released_sat,
    )


def fill(order: Order, quantity_rao: int, quote_sat: int, fee_ppm: int) -> int:
    """Book one trade on the order and return its fee in satoshi.

    The fee is what the order owes in all, ⌈Σ quote × rate⌉, less what it has paid: rounding can
    cost an order one satoshi in its whole life, in however many pieces it trades.
    """
    order.leaves_rao -= quantity_rao
    order.executed_sat += quote_sat
    order.weighted_quote += quote_sat * fee_ppm
    fee_sat = calculate_fee_sat(order.weighted_quote) - order.charged_sat
    order.charged_sat += fee_sat
    return fee_sat
