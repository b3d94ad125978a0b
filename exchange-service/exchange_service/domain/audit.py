"""The invariants I1 to I3 (docs/exchange-funds.md), computed anew from the whole state."""

from exchange_service.domain.accounts import FIRST_ACCOUNT
from exchange_service.domain.commands import Asset
from exchange_service.domain.exchange import Exchange


def find_faults(exchange: Exchange) -> list[str]:
    """Return a sentence for each invariant that does not hold; none is what one hopes for."""
    return [
        *_find_unbalanced(exchange),
        *_find_negative(exchange),
        *_find_wrong_locks(exchange),
        *_find_crossed(exchange),
        *_find_wrong_levels(exchange),
    ]


def _find_unbalanced(exchange: Exchange) -> list[str]:
    accounts = exchange.accounts.values()
    sat = sum(account.free_sat + account.locked_sat for account in accounts)
    rao = sum(account.free_rao + account.locked_rao for account in accounts)
    return [
        f"all {asset} together is {total}, not 0"
        for asset, total in (("BTC", sat), ("TAO", rao))
        if total
    ]


def _find_negative(exchange: Exchange) -> list[str]:
    return [
        f"account {number} holds less than nothing: {account.balances()}"
        for number, account in exchange.accounts.items()
        if number >= FIRST_ACCOUNT and min(account.balances()) < 0
    ]


def _find_wrong_locks(exchange: Exchange) -> list[str]:
    wanted = {number: [0, 0] for number in exchange.accounts}
    for order in exchange.orders.values():
        wanted[order.account.account_id][0 if order.buying else 1] += order.reserved
    for request in exchange.custody.withdrawals.values():
        wanted[request.account_id][0 if request.asset is Asset.BTC else 1] += request.amount
    return [
        f"account {number} has locked {[account.locked_sat, account.locked_rao]}, "
        f"its orders and withdrawals need {wanted[number]}"
        for number, account in exchange.accounts.items()
        if [account.locked_sat, account.locked_rao] != wanted[number]
    ]


def _find_crossed(exchange: Exchange) -> list[str]:
    bid, ask = exchange.book.bids.best_price(), exchange.book.asks.best_price()
    if bid is not None and ask is not None and bid >= ask:
        return [f"the book is crossed: bid {bid}, ask {ask}"]
    return []


def _find_wrong_levels(exchange: Exchange) -> list[str]:
    faults = []
    for side in (exchange.book.bids, exchange.book.asks):
        for price_sat, level in side.levels.items():
            total_rao = sum(order.shown_rao for order in level)
            if total_rao != level.quantity_rao or level.first is None:
                faults.append(f"level {price_sat} says {level.quantity_rao}, holds {total_rao}")
        if len(side.keys) != len(side.levels) or side.keys != sorted(side.keys):
            faults.append("the prices of a side are not those of its levels")
    return faults
