"""HTTP connections of a Server, with a limit on how long a caller may take to say what it wants.

uvicorn waits for ever for the head of a request; a few thousand sockets that send a byte a minute
would hold all that a Server can open. A body that comes drop by drop is cut off in `routes`.
"""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS_MAX = 10.0
"""From the opening of a connection, or its last answer, to the end of a request's head."""


class PatientProtocol(H11Protocol):
    """h11 with a clock: a connection that has not sent a whole head in time is closed."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._requests_seen = 0
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._requests_seen += 1

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_head()

    def _watch_head(self) -> None:
        self.loop.call_later(HEAD_SECONDS_MAX, self._close_if_silent, self._requests_seen)

    def _close_if_silent(self, requests_seen: int) -> None:
        """Whoever sent a head since then is served, however long the answer takes."""
        if self._requests_seen == requests_seen and not self.transport.is_closing():
            self.transport.close()
