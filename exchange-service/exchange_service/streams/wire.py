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
from websockets.frames import apply_mask  # type: ignore[attr-defined]
from websockets.http11 import Request
from websockets.protocol import OPEN

EXTENSION: Final = "taonet.wire"
WHOLE_TEXT: Final = 0x81
"""First byte of a text that is one frame (RFC 6455, 5.2)."""
SHORT_LENGTH: Final = 0x7F
"""The bits of a frame's second byte that are its length, or say where that stands."""
SHORT_MAX: Final = 125
MEDIUM: Final = 126
"""The length stands in the next two bytes; one more: in the next eight."""
MEDIUM_MAX: Final = 0xFFFF
MASKED: Final = 0x80
"""In a frame's second byte: the four bytes before its payload are a mask, as clients must have."""


class Wire(WebSocketsSansIOProtocol):
    """One connection: what uvicorn makes of it, and what goes past ASGI."""

    hear: Callable[[str], None] | None = None
    """Takes each text that arrives; None: ASGI's `receive` does."""

    _rest: bytes = b""
    """The beginning of a frame that is not whole yet."""
    _in_frames = True
    """Whether what arrives is taken apart here; no longer, once a long frame has come."""

    @property
    def is_free(self) -> bool:
        """Whether what is written now is sent at once, as far as we can see."""
        return self.writable.is_set() and not self.close_sent and not self.disconnected

    def write(self, frame: bytes) -> None:
        self.transport.write(frame)

    def data_received(self, data: bytes) -> None:
        """Take what arrives frame by frame: plain texts the short way, anything else uvicorn's."""
        if not self.handshake_initiated or not self._in_frames:
            super().data_received(data)
            return
        data, start = self._rest + data, 0
        while (end := find_end(data, start)) is not None and end <= len(data):
            if not self._hear_plain(data, start, end):
                super().data_received(data[start:end])
            start = end
        self._rest = data[start:]
        if end is not None and end - start > MEDIUM_MAX:
            # uvicorn says how long is too long, and reads the rest as it comes.
            self._in_frames, self._rest = False, b""
            super().data_received(data[start:])

    def _hear_plain(self, data: bytes, start: int, end: int) -> bool:
        """Have a frame heard if it is a whole text; False if it is anything else."""
        unfragmented = data[start] == WHOLE_TEXT and self.conn.current_size is None
        if self.hear is None or not unfragmented or not data[start + 1] & MASKED:
            return False
        if self.close_sent or self.conn.state is not OPEN:
            return False
        payload = start + 6 + (2 if data[start + 1] & SHORT_LENGTH == MEDIUM else 0)
        try:
            text = apply_mask(data[payload:end], data[payload - 4 : payload]).decode()
        except UnicodeDecodeError:
            return False
        self.hear(text)
        return True

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


def find_end(data: bytes, start: int) -> int | None:
    """Return where the frame ends that starts there; None as long as its head is not whole."""
    available = len(data) - start
    if available < 2:
        return None
    length, head = data[start + 1] & SHORT_LENGTH, 2
    if length >= MEDIUM:
        size = 2 if length == MEDIUM else 8
        head += size
        if available < head:
            return None
        length = int.from_bytes(data[start + 2 : start + head], "big")
    if data[start + 1] & MASKED:
        head += 4
    return start + head + length


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
        return struct.pack("!BBH", WHOLE_TEXT, MEDIUM, length) + text
    return struct.pack("!BBQ", WHOLE_TEXT, MEDIUM + 1, length) + text
