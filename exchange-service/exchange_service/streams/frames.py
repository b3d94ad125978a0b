"""WebSocket frames (RFC 6455, 5.2): how those that arrive are told apart, and a text is sent.

What nearly every frame is, a whole text, is read here. All others are handed on as they came, to
the library that knows everything about them.
"""

import struct
from typing import Any, Final

from websockets.frames import apply_mask  # type: ignore[attr-defined]

WHOLE_TEXT: Final = 0x81
"""First byte of a text that is one frame."""
SHORT_LENGTH: Final = 0x7F
"""The bits of a frame's second byte that are its length, or say where that stands."""
SHORT_MAX: Final = 125
MEDIUM: Final = 126
"""The length stands in the next two bytes; one more: in the next eight."""
MEDIUM_MAX: Final = 0xFFFF
MASKED: Final = 0x80
"""In a frame's second byte: the four bytes before its payload are a mask, as clients must have."""
MASK_BYTES: Final = 4


class Inbox:
    """Takes apart what arrives on one connection: a `Wire`, or what has its methods."""

    def __init__(self, wire: Any) -> None:
        self._wire = wire
        self._rest = b""
        """The beginning of a frame that is not whole yet."""
        self._in_frames = True
        """Whether it is taken apart here; no longer, once a long frame has come."""

    def take(self, data: bytes) -> None:
        """Have whole texts heard, and anything else dealt with by the wire, frame by frame."""
        wire = self._wire
        if not self._in_frames:
            wire.take_other(data)
            return
        data, start = self._rest + data if self._rest else data, 0
        end = find_end(data, 0)
        while 0 < end <= len(data):
            text = read_text(data, start, end) if wire.may_hear else None
            if text is None:
                wire.take_other(data[start:end])
            else:
                wire.hear(text)
            start, end = end, find_end(data, end)
        self._rest = data[start:]
        if end - start > MEDIUM_MAX:
            # The wire says how long is too long, and reads the rest as it comes.
            self._in_frames, self._rest = False, b""
            wire.take_other(data[start:])


def find_end(data: bytes, start: int) -> int:
    """Return where the frame ends that starts there; 0 as long as its head is not whole."""
    available = len(data) - start
    if available < 2:
        return 0
    length, head = data[start + 1] & SHORT_LENGTH, 2
    if length >= MEDIUM:
        head += 2 if length == MEDIUM else 8
        if available < head:
            return 0
        length = int.from_bytes(data[start + 2 : start + head], "big")
    if data[start + 1] & MASKED:
        head += MASK_BYTES
    return start + head + length


def read_text(data: bytes, start: int, end: int) -> str | None:
    """Return the text of the frame that stands there; None if it is not one whole, masked text."""
    if data[start] != WHOLE_TEXT or not data[start + 1] & MASKED:
        return None
    payload = start + 2 + MASK_BYTES + (2 if data[start + 1] & SHORT_LENGTH == MEDIUM else 0)
    plain: bytes = apply_mask(data[payload:end], data[payload - MASK_BYTES : payload])
    try:
        return plain.decode()
    except UnicodeDecodeError:
        return None


def frame_text(text: bytes) -> bytes:
    """Return a text as the frame that a server sends: whole, and not masked."""
    length = len(text)
    if length <= SHORT_MAX:
        return bytes((WHOLE_TEXT, length)) + text
    if length <= MEDIUM_MAX:
        return bytes((WHOLE_TEXT, MEDIUM, length >> 8, length & 0xFF)) + text
    return struct.pack("!BBQ", WHOLE_TEXT, MEDIUM + 1, length) + text
