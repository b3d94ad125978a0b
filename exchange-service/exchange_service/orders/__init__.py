"""Orders and their trades: what a trader does and asks with a key."""

from exchange_service.compiled import find_compiled

__path__[:0] = find_compiled("orders")
