"""uvicorn's WebSocket with a shorter way in and out, offered to the application as an extension.

ASGI takes a coroutine's turn for each message of each connection, and has every frame written
anew. An application that finds the extension `taonet.wire` in its scope may instead write frames
that were made once for all, and have what arrives handed to a function.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import OPEN

from exchange_service.streams.frames import Inbox

EXTENSION: Final = "taonet.wire"
POST: Final = "taonet.post"
"""Under which name a server's connections find its post, in the state of ASGI's lifespan."""
TOGETHER_MAX: Final = 64
"""Frames that may wait for each other."""
QUIET: Final = logging.getLogger("taonet.wire")
QUIET.setLevel(logging.WARNING)


class Post:
    """What the connections of one event loop have to send, at the end of the loop's turn.

    Each gets all that is there for it by then in one write, which is most of what sending costs.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wires: list[Wire] = []

    def wait(self, wire: "Wire") -> None:
        """Have a connection flushed when everything else of this turn is done."""
        if not self._wires:
            self._loop.call_soon(self._collect)
        self._wires.append(wire)

    def _collect(self) -> None:
        wires, self._wires = self._wires, []
        for wire in wires:
            wire.flush()


class Wire(WebSocketsSansIOProtocol):
    """One connection: what uvicorn makes of it, and what goes past ASGI."""

    hear: Callable[[str], None] | None = None
    """Takes each text that arrives; None: ASGI's `receive` does."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # uvicorn would write each path down, and so listen keys, which are as good as passwords.
        self.logger = self.conn.logger = QUIET
        self.conn.debug = False
        self._inbox = Inbox(self)
        self._unsent: list[bytes] = []
        self._post: Post = self.app_state.setdefault(POST, Post(self.loop))

    @property
    def is_free(self) -> bool:
        """Whether what is written now is sent at once, as far as we can see."""
        return self.writable.is_set() and not self.close_sent and not self.disconnected

    @property
    def may_hear(self) -> bool:
        """Whether a text that arrives now is the application's, and not part of another."""
        conn = self.conn
        is_open = conn.state is OPEN and not self.close_sent
        return is_open and self.hear is not None and conn.current_size is None

    def write(self, frame: bytes) -> None:
        """Send a frame at once, unless others wait before it."""
        if self._unsent:
            self._unsent.append(frame)
        else:
            self.transport.write(frame)

    def write_soon(self, frame: bytes) -> None:
        """Send a frame, together with what else this turn of the event loop has for the client."""
        if not self._unsent:
            self._post.wait(self)
        self._unsent.append(frame)
        if len(self._unsent) >= TOGETHER_MAX:
            self.flush()

    def flush(self) -> None:
        """Send what is waiting, if anybody can still read it."""
        frames, self._unsent = self._unsent, []
        if frames and not self.close_sent and not self.transport.is_closing():
            self.transport.write(frames[0] if len(frames) == 1 else b"".join(frames))

    def data_received(self, data: bytes) -> None:
        if self.handshake_initiated:
            self._inbox.take(data)
        else:
            super().data_received(data)

    def take_other(self, data: bytes) -> None:
        """Have uvicorn deal with what is no plain text: it may answer, and end the connection."""
        self.flush()
        super().data_received(data)

    def shutdown(self) -> None:
        self.flush()
        super().shutdown()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:  # Else it was refused, and there is no scope.
            self.scope["extensions"][EXTENSION] = self  # type: ignore[assignment]

    def send_receive_event_to_app(self) -> None:
        raw = b"".join(self.frames)
        try:
            text = raw.decode(errors="strict" if self.curr_msg_data_type == "text" else "replace")
        except UnicodeDecodeError:
            text = None  # uvicorn closes the connection for it.
        if self.hear is None or self.close_sent or text is None:
            super().send_receive_event_to_app()
            return
        self.frames = []
        self.hear(text)


def find_wire(scope: Scope) -> Wire | None:
    """Return the connection's wire, where the server offers one."""
    wire: Wire | None = scope.get("extensions", {}).get(EXTENSION)
    return wire
