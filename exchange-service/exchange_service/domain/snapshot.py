"""The whole state as plain values, and back: what a snapshot stores and a fingerprint hashes."""

import hashlib
from typing import Any

import orjson

from exchange_service.domain.accounts import Account
from exchange_service.domain.book import Order, Pair
from exchange_service.domain.commands import PlaceOrder, RequestWithdrawal
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.journal import read_fields

COUNTERS = (
    "last_price_sat",
    "last_trade_id",
    "last_order_id",
    "last_list_id",
    "last_prevented_id",
)
ORDER_FIELDS = (
    "quantity_rao",
    "leaves_rao",
    "prevented_rao",
    "executed_sat",
    "maker_ppm",
    "taker_ppm",
    "weighted_quote",
    "charged_sat",
    "reserved",
    "shown_rao",
)


def write_snapshot(exchange: Exchange) -> bytes:
    """Return the state in a fixed order: accounts by number, orders by priority."""
    custody, book, orders = exchange.custody, exchange.book, sorted(exchange.orders.items())
    state: dict[str, Any] = {
        "accounts": [_write_account(account) for _, account in sorted(exchange.accounts.items())],
        "bids": [_write_order(order) for order in book.bids.in_order()],
        "asks": [_write_order(order) for order in book.asks.in_order()],
        "waiting": [_write_order(order) for _, order in orders if order.level is None],
        "pairs": [_write_pair(pair) for _, pair in sorted(exchange.pairs.items())],
        "deadlines": sorted(exchange.deadlines.items()),
        # Without what had to remain: that was asked once, and older snapshots have it not.
        "withdrawals": [tuple(request[:8]) for _, request in sorted(custody.withdrawals.items())],
        "deposit_mark": custody.deposit_mark,
        "credited_outputs": sorted(custody.credited_outputs),
        "last_account_id": custody.last_account_id,
        "last_withdrawal_id": custody.last_withdrawal_id,
        "update_id": book.update_id,
        **{name: getattr(exchange, name) for name in COUNTERS},
    }
    # Left out where there is none: so a snapshot from before amendments were counted reads as it
    # was written, and has the same hash.
    if amended := [(key, order.amends) for key, order in orders if order.amends]:
        state["amended"] = amended
    if custody.shortfalls:  # Else as it was before there were any.
        state["shortfalls"] = sorted(custody.shortfalls.items())
    return orjson.dumps(state)


def calculate_fingerprint(exchange: Exchange) -> str:
    """Return SHA-256 over the whole state: equal after a replay, or the replay is wrong."""
    return hash_snapshot(write_snapshot(exchange))


def hash_snapshot(snapshot: bytes) -> str:
    return hashlib.sha256(snapshot).hexdigest()


def read_snapshot(snapshot: bytes) -> Exchange:
    """Return the exchange that `write_snapshot` wrote."""
    state: dict[str, Any] = orjson.loads(snapshot)
    exchange = Exchange()
    custody = exchange.custody
    for fields in state["accounts"]:
        account = _read_account(fields)
        exchange.accounts[account.account_id] = account
        custody.names.add(account.name)
    for side, rows in ((exchange.book.bids, state["bids"]), (exchange.book.asks, state["asks"])):
        for row in rows:
            order = _read_order(exchange, row)
            exchange.open(order)
            shown_rao = order.shown_rao
            side.add(order)
            # An iceberg may stand there with a slice half gone.
            order.level.quantity_rao += shown_rao - order.shown_rao  # type: ignore[union-attr]
            order.shown_rao = shown_rao
    for row in state["waiting"]:
        order = _read_order(exchange, row)
        exchange.open(order)
        exchange.triggers.add(order)
        order.account.waiting += 1
    for order_id, amends in state.get("amended", ()):
        exchange.orders[order_id].amends = amends
    for list_id, client_list_id, above, below in state["pairs"]:
        pair = Pair(list_id, client_list_id, exchange.orders[above], exchange.orders[below])
        exchange.pairs[list_id] = pair
        pair.above.account.pairs += 1
    exchange.deadlines.update(state["deadlines"])
    for row in state["withdrawals"]:
        request = read_fields(RequestWithdrawal, row)
        custody.withdrawals[request.withdrawal_id] = request
    custody.deposit_mark = tuple(state["deposit_mark"])
    custody.credited_outputs.update(state["credited_outputs"])
    custody.shortfalls.update(state.get("shortfalls", []))
    custody.last_account_id = state["last_account_id"]
    custody.last_withdrawal_id = state["last_withdrawal_id"]
    exchange.book.update_id = state["update_id"]
    for name in COUNTERS:
        setattr(exchange, name, state[name])
    return exchange


def _write_account(account: Account) -> tuple[Any, ...]:
    return (
        account.account_id,
        account.name,
        account.maker_ppm,
        account.taker_ppm,
        *account.balances(),
        sorted(account.withdrawal_names),
    )


def _read_account(fields: list[Any]) -> Account:
    account = Account(*fields[:-1])
    account.withdrawal_names.update(fields[-1])
    return account


def _write_order(order: Order) -> tuple[Any, ...]:
    return (tuple(order.terms), *(getattr(order, name) for name in ORDER_FIELDS))


def _read_order(exchange: Exchange, row: list[Any]) -> Order:
    terms = read_fields(PlaceOrder, row[0])
    order = Order(terms, exchange.accounts[terms.account_id], 0)
    for name, value in zip(ORDER_FIELDS, row[1:], strict=True):
        setattr(order, name, value)
    return order


def _write_pair(pair: Pair) -> tuple[int, str, int, int]:
    ids = pair.above.terms.order_id, pair.below.terms.order_id
    return pair.list_id, pair.client_list_id, *ids
