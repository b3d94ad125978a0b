"""WebSockets: market streams, user data streams and the WebSocket API."""

from exchange_service.compiled import find_compiled

__path__[:0] = find_compiled("streams")
