"""WebSockets: market streams, user data streams and the WebSocket API."""
