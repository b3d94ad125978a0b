"""Rows as Postgres reads them in an array of a table's own type, each column in the table's order.

Numbers, and words of our own, need no quotes; what is left out is NULL.
"""

from exchange_service.domain.facts import Traded
from exchange_service.domain.ledger import Transfer
from exchange_service.domain.projection import OrderChange, OrderRecord
from exchange_service.repository import Balance, Entry


def _quote(text: str) -> str:
    """Return a text as Postgres reads it inside a row, or a row as it reads it in an array."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def write_array(rows: list[str]) -> bytes:
    """Return rows as an array."""
    return ("{" + ",".join([_quote(row) for row in rows]) + "}").encode()


def write_bytes(raw: bytes) -> str:
    """Return bytes as a column has them."""
    return "\\x" + raw.hex()


def write_entry(entry: Entry) -> str:
    return f"({entry.sequence},,{_quote(entry.payload.decode())},{_quote(write_bytes(entry.hash))})"


def write_order(order: OrderRecord) -> str:
    return (
        f"({order.order_id},{order.account_id},{_quote(order.client_order_id)},{order.side},"
        f"{order.kind},{order.time_in_force},{order.self_trade},{order.price_sat},"
        f"{order.quantity_rao},{order.asked_sat},{order.executed_rao},{order.executed_sat},"
        f"{order.status},{order.created_ms},{order.updated_ms},{order.stop_price_sat},"
        f"{order.iceberg_rao},{order.list_id},{order.prevented_rao},{order.working_ms})"
    )


def write_change(order_id: int, change: OrderChange) -> str:
    return (
        f"({order_id},,{_quote(change.client_order_id)},,,,,,{change.amended_rao},,"
        f"{change.executed_rao},{change.executed_sat},{change.status or ''},,{change.updated_ms},"
        f",,,{change.prevented_rao},{change.working_ms})"
    )


def write_trade(trade: Traded) -> str:
    return (
        f"({trade.trade_id},{trade.time_ms},{trade.price_sat},{trade.quantity_rao},"
        f"{trade.quote_sat},{trade.taker_side},{trade.taker_order_id},{trade.taker_account_id},"
        f"{trade.taker_fee_sat},{trade.maker_order_id},{trade.maker_account_id},"
        f"{trade.maker_fee_sat})"
    )


def write_transfer(sequence: int, transfer: Transfer) -> str:
    asset, source, source_pocket, target, target_pocket, amount, reason, reference = transfer
    return (
        f"(,{sequence},{asset},{source},{source_pocket},{target},{target_pocket},{amount},"
        f"{reason},{reference})"
    )


def write_balance(balance: Balance) -> str:
    account_id, free_sat, locked_sat, free_rao, locked_rao = balance
    return f"({account_id},{free_sat},{locked_sat},{free_rao},{locked_rao})"
