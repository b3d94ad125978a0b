"""One hash over the whole state: equal after a replay, or the replay is wrong."""

import hashlib
from typing import Any

import orjson

from exchange_service.domain.book import Order
from exchange_service.domain.exchange import Exchange


def calculate_fingerprint(exchange: Exchange) -> str:
    """Return SHA-256 of the state in a fixed order: accounts by number, orders by priority."""
    state: dict[str, Any] = {
        "accounts": [
            (
                number,
                account.name,
                account.maker_ppm,
                account.taker_ppm,
                account.balances(),
                sorted(account.withdrawal_names),
            )
            for number, account in sorted(exchange.accounts.items())
        ],
        "bids": [_describe(order) for order in exchange.book.bids.in_order()],
        "asks": [_describe(order) for order in exchange.book.asks.in_order()],
        "withdrawals": [
            tuple(request) for _, request in sorted(exchange.custody.withdrawals.items())
        ],
        "marks": (
            exchange.custody.deposit_mark,
            sorted(exchange.custody.credited_outputs),
            exchange.book.update_id,
            exchange.last_price_sat,
            exchange.last_trade_id,
            exchange.last_order_id,
            exchange.custody.last_withdrawal_id,
            exchange.custody.last_account_id,
        ),
    }
    return hashlib.sha256(orjson.dumps(state)).hexdigest()


def _describe(order: Order) -> tuple[Any, ...]:
    return (
        tuple(order.terms),
        order.quantity_rao,
        order.leaves_rao,
        order.executed_sat,
        order.weighted_quote,
        order.charged_sat,
        order.reserved,
        order.maker_ppm,
        order.taker_ppm,
    )
