"""Ids that the exchange makes up where the client gave none."""

import secrets


def make_client_id() -> str:
    return secrets.token_hex(11)


def name_cancellation(order_id: int) -> str:
    """Return the id of an order's cancellation: the same in the answer and in the report."""
    return f"cancel-{order_id}"
