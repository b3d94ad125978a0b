"""What stands before the order path and counts: request weights, orders per account, bans.

The hot path (`gate.py`) asks a `Charge` before it hands an order to the engine, and sends the
headers that it gets back with the answer.
"""

from collections.abc import Callable

Headers = list[tuple[bytes, bytes]]

Charge = Callable[[str, int, int, int], Headers]
"""Called with (client address, account id, request weight, new orders): returns the headers to
send, or raises a BinanceRefusal (429, 418) that says when to try again; in `app.state.charge`."""


def charge_nothing(address: str, account_id: int, weight: int, orders: int) -> Headers:
    """Let everything through."""
    return []
