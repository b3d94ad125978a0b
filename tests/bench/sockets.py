"""A WebSocket client so small that it is not what a benchmark measures."""

import asyncio
import base64
import os
import struct
from abc import ABC, abstractmethod
from typing import cast


class Socket(asyncio.Protocol, ABC):
    """The least of a WebSocket client: text frames in, text frames out."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.buffer = b""
        self.open = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET {self.path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.open.done():
            _, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            self.buffer = rest
            self.open.set_result(None)
        while (frame := self.take_frame()) is not None:
            self.hear(frame)

    def take_frame(self) -> bytes | None:
        """Return the next whole frame's text; servers do not mask."""
        if len(self.buffer) < 2:
            return None
        length, start = self.buffer[1], 2
        if length == 126:
            if len(self.buffer) < 4:
                return None
            (length,), start = struct.unpack("!H", self.buffer[2:4]), 4
        elif length == 127:
            if len(self.buffer) < 10:
                return None
            (length,), start = struct.unpack("!Q", self.buffer[2:10]), 10
        if len(self.buffer) < start + length:
            return None
        frame = self.buffer[start : start + length]
        self.buffer = self.buffer[start + length :]
        return frame

    @abstractmethod
    def hear(self, frame: bytes) -> None:
        """Take in one frame's text."""


def write_frame(text: str) -> bytes:
    """Return a text frame as clients send it, masked with zeros."""
    payload = text.encode()
    head = b"\x81" + (
        bytes([0x80 | len(payload)])
        if len(payload) < 126
        else b"\xfe" + struct.pack("!H", len(payload))
    )
    return head + bytes(4) + payload


def itself(protocol: asyncio.Protocol) -> asyncio.Protocol:
    """What an event loop asks of a factory, for a connection that is made already."""
    return protocol
