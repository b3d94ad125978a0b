"""uvicorn's HTTP with a shorter way for the hot path: from the parser to the gate, and back.

ASGI gives each request a task, a queue and two messages, and has every header checked and written
anew. For a plain request on the hot path the connection calls the gate itself and writes the answer
as it is. Whatever is not plain goes the usual way, and is answered the same.
"""

from functools import partial
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from exchange_service.gate import BODY_BYTES_MAX, HOT, STATE, Answer, Gate

LONG_WAY: Final = frozenset(
    {b"expect", b"transfer-encoding", b"x-forwarded-for", b"x-forwarded-proto"}
)
"""Headers that uvicorn has to deal with."""


class HttpWire(HttpToolsProtocol):
    """One connection: what uvicorn makes of it, and what goes past ASGI."""

    awaited: RequestResponseCycle | None = None
    """A request for the short way whose body is yet to come."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # One that has come whole by now has waited for another: answered at once from here, a long
        # row of those would nest. And who does not read gets nothing more, which uvicorn sees to.
        whole = not cycle.more_body or self.flow.write_paused
        usual = app is not self.app or self.access_log or STATE not in self.app_state
        if whole or usual or not is_plain(cycle):
            super()._start_asgi_task(cycle, app)
        else:
            self.awaited = cycle

    def on_message_complete(self) -> None:
        super().on_message_complete()
        cycle = self.awaited
        if cycle is not None and cycle is self.cycle:
            self.awaited = None
            gate: Gate = self.app_state[STATE]
            gate.begin(cycle.scope, bytes(cycle.body), partial(self._answer, cycle))  # type: ignore[arg-type]

    def _answer(self, cycle: RequestResponseCycle, answer: Answer) -> None:
        if cycle.disconnected:
            return
        cycle.response_started = cycle.response_complete = True
        headers = [*self.server_state.default_headers, *answer.headers]
        if not cycle.keep_alive:
            headers.append((b"connection", b"close"))
        lines = [b"%b: %b\r\n" % header for header in headers]
        head = STATUS_LINE[answer.status] + b"".join(lines)
        self.transport.write(head + b"\r\n" + answer.body)
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()


def is_plain(cycle: RequestResponseCycle) -> bool:
    """Tell whether a request is for the hot path, and nothing in it asks for more than the gate."""
    scope = cycle.scope
    if (scope["method"], scope["path"]) not in HOT:
        return False
    for name, value in scope["headers"]:
        if name in LONG_WAY or (name == b"content-length" and int(value) > BODY_BYTES_MAX):
            return False
    return True
