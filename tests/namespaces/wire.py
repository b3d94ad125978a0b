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
from types import TracebackType

DEVICE = "/dev/net/tun"
SET_NAME = 0x400454CA
"""TUNSETIFF, of linux/if_tun.h."""
PLAIN_PACKETS = 0x0001 | 0x1000
"""IFF_TUN and IFF_NO_PI: IP packets, and nothing before them."""
PACKET_BYTES = 65_536


class Wire:
    """Carries packets both ways between two new devices, from when it is entered."""

    def __init__(self, near: str, far: str) -> None:
        self.delay_seconds = 0.0
        """What each packet waits, each way."""
        self.cut = False
        """Whether everything is lost, what is under way as well."""
        self._ends = (open_device(near), open_device(far))

    async def __aenter__(self) -> "Wire":
        loop = asyncio.get_running_loop()
        for here, there in (self._ends, self._ends[::-1]):
            loop.add_reader(here, self._carry, loop, here, there)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for end in self._ends:
            asyncio.get_running_loop().remove_reader(end)
            os.close(end)

    def _carry(self, loop: asyncio.AbstractEventLoop, here: int, there: int) -> None:
        # A device that is down, or gone with its namespace, answers by an error: nothing comes.
        with contextlib.suppress(OSError):
            packet = os.read(here, PACKET_BYTES)
            loop.call_later(self.delay_seconds, self._deliver, there, packet)

    def _deliver(self, there: int, packet: bytes) -> None:
        if not self.cut:
            with contextlib.suppress(OSError):
                os.write(there, packet)


def open_device(name: str) -> int:
    """Make a TUN device, and return what its packets are read from and written to."""
    device = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, SET_NAME, struct.pack("16sH22x", name.encode(), PLAIN_PACKETS))
    return device
