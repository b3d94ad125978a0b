"""Ids that the exchange makes up where the client gave none."""

import secrets

from exchange_service.domain.facts import OrderCancelled


def make_client_id() -> str:
    return secrets.token_hex(11)


def name_cancellation(cancelled: OrderCancelled) -> str:
    """Return the id of a cancellation, its owner's or ours: in the answer as in the report."""
    return cancelled.cancel_id or f"cancel-{cancelled.terms.order_id}"
