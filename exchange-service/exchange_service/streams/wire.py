"""uvicorn's WebSocket with a shorter way in and out, offered to the application as an extension.

ASGI takes a coroutine's turn for each message of each connection, and has every frame written
anew. An application that finds the extension `taonet.wire` in its scope may instead write frames
that were made once for all, and have what arrives handed to a function.
"""

import struct
from collections.abc import Callable
from typing import Final

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

EXTENSION: Final = "taonet.wire"
WHOLE_TEXT: Final = 0x81
"""First byte of a text that is one frame (RFC 6455, 5.2)."""
SHORT_MAX: Final = 125
MEDIUM_MAX: Final = 0xFFFF


class Wire(WebSocketsSansIOProtocol):
    """One connection: what uvicorn makes of it, and what goes past ASGI."""

    hear: Callable[[str], None] | None = None
    """Takes each text that arrives; None: ASGI's `receive` does."""

    @property
    def is_free(self) -> bool:
        """Whether what is written now is sent at once, as far as we can see."""
        return self.writable.is_set() and not self.close_sent and not self.disconnected

    def write(self, frame: bytes) -> None:
        self.transport.write(frame)

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


def frame_text(text: bytes) -> bytes:
    """Return a text as the frame that a server sends: whole, and not masked."""
    length = len(text)
    if length <= SHORT_MAX:
        return bytes((WHOLE_TEXT, length)) + text
    if length <= MEDIUM_MAX:
        return struct.pack("!BBH", WHOLE_TEXT, 126, length) + text
    return struct.pack("!BBQ", WHOLE_TEXT, 127, length) + text
