"""
A wire between two network namespaces: IP packets, carried by hand, so that it can be slow or cut.

The kernel's own way, netem, is missing from many kernels; two TUN devices are not. What TCP sees is
what it sees of a real line: packets that come late, or never.
"""

import asyncio
import contextlib
import fcntl
import os
import struct
from collections.abc import AsyncIterator

DEVICE = "/dev/net/tun"
SET_NAME = 0x400454CA
"""TUNSETIFF, of linux/if_tun.h."""
PLAIN_PACKETS = 0x0001 | 0x1000
"""IFF_TUN and IFF_NO_PI: IP packets, and nothing before them."""
PACKET_BYTES = 65_536


class Wire:
    """What goes from one device to the other, both ways: see `open_wire`."""

    def __init__(self) -> None:
        self.delay_seconds = 0.0
        """What each packet waits, each way."""
        self.cut = False
        """Whether everything is lost, what is under way as well."""

    def carry(self, loop: asyncio.AbstractEventLoop, here: int, there: int) -> None:
        # A device that is down, or gone with its namespace, answers by an error: nothing comes.
        with contextlib.suppress(OSError):
            packet = os.read(here, PACKET_BYTES)
            loop.call_later(self.delay_seconds, self._deliver, there, packet)

    def _deliver(self, there: int, packet: bytes) -> None:
        if not self.cut:
            with contextlib.suppress(OSError):
                os.write(there, packet)


@contextlib.asynccontextmanager
async def open_wire(near: str, far: str) -> AsyncIterator[Wire]:
    """Make two devices, and carry packets between them for the time of a block."""
    wire, loop = Wire(), asyncio.get_running_loop()
    ends = (open_device(near), open_device(far))
    for here, there in (ends, ends[::-1]):
        loop.add_reader(here, wire.carry, loop, here, there)
    try:
        yield wire
    finally:
        for end in ends:
            loop.remove_reader(end)
            os.close(end)


def open_device(name: str) -> int:
    """Make a TUN device, and return what its packets are read from and written to."""
    device = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, SET_NAME, struct.pack("16sH22x", name.encode(), PLAIN_PACKETS))
    return device
