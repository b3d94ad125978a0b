"""uvicorn's HTTP with a shorter way for the hot path: from the parser to the gate, and back.

ASGI gives each request a scope, a task, a queue and two messages, and has every header checked and
written anew. For a plain request on the hot path nothing of that is made: as soon as its headers
are read the connection knows, has the gate called when the body is there, and writes the answer as
it is. Whatever is not plain goes the usual way, and is answered the same.
"""

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from exchange_service.gate import BODY_BYTES_MAX, HEADERS, HOT, KEY, STATE, Answer, Gate, Hot

LONG_WAY: Final = frozenset(
    {b"expect", b"transfer-encoding", b"upgrade", b"x-forwarded-for", b"x-forwarded-proto"}
)
"""Headers that uvicorn has to deal with, or the gate before it begins."""
TARGETS: Final = {(method.encode(), path.encode()): hot for (method, path), hot in HOT.items()}


class HttpWire(HttpToolsProtocol):
    """One connection: what uvicorn makes of it, and what goes past ASGI."""

    # uvicorn makes a scope here. It can wait until somebody needs one.
    def on_message_begin(self) -> None:
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        path, _, query = self.url.partition(b"?")
        hot = TARGETS.get((self.parser.get_method(), path))
        if hot is not None and b"#" not in query and self._may_be_short():
            api_key = read_key(self.headers)
            if api_key is not None:
                self.cycle = HotCycle(self, hot, query, api_key)  # type: ignore[assignment]
                return
        self._go_the_usual_way()

    def _may_be_short(self) -> bool:
        """Tell whether uvicorn has nothing to do here but to hand on the request.

        One that has to wait for another is answered by a task of its own: at once from within the
        other's answer, a long row of those would nest. Who does not read gets nothing more.
        """
        waits = self.cycle is not None and not self.cycle.response_complete
        usual = self.access_log or self.root_path or self.limit_concurrency is not None
        return not (waits or usual or self.flow.write_paused) and STATE in self.app_state

    def _go_the_usual_way(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        cycle: Any = self.cycle
        if isinstance(cycle, HotCycle) and cycle.more_body:
            cycle.begin()
        else:
            super().on_message_complete()


class Unheard:
    """In the place of an event that nobody waits for."""

    def set(self) -> None:
        """Wake nobody."""


class HotCycle:
    """A request on its short way; to uvicorn, which asks for little of it, one like any other."""

    __slots__ = (
        *("_api_key", "_hot", "_query", "_wire"),
        *("body", "disconnected", "keep_alive", "more_body", "response_complete"),
    )
    message_event: Final = Unheard()

    def __init__(self, wire: HttpWire, hot: Hot, query: bytes, api_key: bytes) -> None:
        self._wire, self._hot, self._query, self._api_key = wire, hot, query, api_key
        parser = wire.parser
        self.keep_alive = parser.get_http_version() != "1.0" and parser.should_keep_alive()
        self.body = b""
        self.more_body = True
        self.response_complete = self.disconnected = False

    def begin(self) -> None:
        """Hand the request to the gate; its body is there."""
        self.more_body = False
        wire = self._wire
        gate: Gate = wire.app_state[STATE]
        address = wire.client[0] if wire.client else ""
        gate.begin(self._hot, address, self._api_key, self._query, self.body, self.answer)

    def answer(self, answer: Answer) -> None:
        """Write the answer as one piece, unless the client is gone."""
        self.response_complete = True
        wire = self._wire
        if wire.transport.is_closing():
            return
        lines = [b"%b: %b\r\n" % header for header in answer.headers]
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        usual = usual_lines.write(wire.server_state.default_headers)
        head = STATUS_LINE[answer.status] + usual + b"".join(lines)
        wire.transport.write(head + b"\r\n" + answer.body)
        if not self.keep_alive:
            wire.transport.close()
        wire.on_response_complete()


class UsualLines:
    """The headers of every answer, written down anew when uvicorn has new ones, once a second."""

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._lines = b""

    def write(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Return uvicorn's headers, such as the date, and the gate's, each on a line."""
        if headers is not self._headers:
            self._headers = headers
            self._lines = b"".join([b"%b: %b\r\n" % header for header in (*headers, *HEADERS)])
        return self._lines


usual_lines = UsualLines()


def read_key(headers: list[tuple[bytes, bytes]]) -> bytes | None:
    """Return a request's API key, empty if it has none; None if it needs more than the gate."""
    api_key = b""
    for name, value in headers:
        if name == KEY:
            api_key = value
        elif name in LONG_WAY or (name == b"content-length" and int(value) > BODY_BYTES_MAX):
            return None
    return api_key
